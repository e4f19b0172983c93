-- Accepts a batch: takes the numbers of all its parents and writes its one entry, or does nothing.
--
-- KEYS  1 epoch · 2 lease, 3 sequence and 4 stream of the node · 5 receipt of the batch
--       then a counter each parent, then a hold each draft that has a key
-- ARGV  1 life · 2 name for an epoch · 3 the sequence that the node knows · 4 the node
--       5 seconds that the receipt is kept · 6 seconds that keys are held at most · 7 the drafts, opaque
--       8 how many parents · then how many drafts each parent has in the batch
--       then, each draft that has a key: the place of its parent among the parents, its id
--
-- Returns nil when the node's lease is gone: nothing is done, it has to enter again.
-- Otherwise { receipt, sequence }. The receipt is the text `<entry>|<parents>|<held>`, with spaces between:
--   entry    `<node>/<id in its stream>`, or `-`: nothing was numbered, and nothing written
--   parents  each: the first number that its drafts get, in the batch's order, those that are held left out;
--            `u` unseeded; `r` retired
--   held     of the drafts that have a key, the places (1, 2, …) of those whose key is another draft's
--
-- It is not allowed to run while the memory is full, so that it never stops half-way.

local receipt = redis.call('GET', KEYS[5])
if receipt then
  return { receipt, 0 }
end
if redis.call('EXISTS', KEYS[2]) == 0 then
  return nil
end
local known = tonumber(ARGV[3])
local sequence = tonumber(redis.call('GET', KEYS[3]) or 0)
local name = epoch(sequence < known)
if sequence < known then
  sequence = known
  redis.call('SET', KEYS[3], digits(known), 'EX', 86400)
end

local parents = tonumber(ARGV[8])
local last, wanted, places = {}, {}, {}
for parent = 1, parents do
  local counter = redis.call('GET', KEYS[5 + parent])
  places[parent] = 'u'
  if counter == 'retired' then
    places[parent] = 'r'
  elseif counter then
    local of, number = read(counter)
    if of == name then
      last[parent] = number
      places[parent] = digits(number + 1)
    end
  end
  wanted[parent] = tonumber(ARGV[8 + parent])
end

local held = {}
for keyed = 1, #KEYS - 5 - parents do
  local at = 8 + parents + 2 * keyed
  local parent = tonumber(ARGV[at - 1])
  if last[parent] and not redis.call('SET', KEYS[5 + parents + keyed], ARGV[at], 'NX', 'EX', ARGV[6]) then
    held[#held + 1] = keyed
    wanted[parent] = wanted[parent] - 1
  end
end

local numbered = 0
for parent = 1, parents do
  if last[parent] and wanted[parent] > 0 then
    count(KEYS[5 + parent], name, last[parent] + wanted[parent])
    numbered = numbered + wanted[parent]
  end
end
local outcome = table.concat(places, ' ') .. '|' .. table.concat(held, ' ')
if numbered == 0 then
  return { '-|' .. outcome, sequence }
end
local id = redis.call('XADD', KEYS[4], '*', 'drafts', ARGV[7], 'outcome', outcome)
receipt = ARGV[4] .. '/' .. id .. '|' .. outcome
redis.call('SET', KEYS[5], receipt, 'EX', ARGV[5])
redis.call('SET', KEYS[3], digits(sequence + 1), 'EX', 86400)
return { receipt, sequence + 1 }
