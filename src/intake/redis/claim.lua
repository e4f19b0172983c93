#!lua flags=allow-oom
-- Claims for one node the streams of those whose lease is gone, so that no two nodes take the same entries, and
-- clears away what is empty. A claim ends by itself, like a lease. It runs also while the memory is full: what is
-- adopted frees some. The sequence stays for a day: the node may come back, and is not to think that it got lost.
--
-- KEYS  1 nodes · then each other node: its lease, claim, stream
-- ARGV  1 the claiming node · 2 milliseconds of a claim · then the other nodes
--
-- Returns each other node's number of entries if it is claimed, or 0.

local lengths = {}
for place = 3, #ARGV do
  local at = 3 * (place - 2) - 1
  local lease, claim, stream = KEYS[at], KEYS[at + 1], KEYS[at + 2]
  local claimed_by = redis.call('GET', claim) or ARGV[1]
  lengths[place - 2] = 0
  if redis.call('EXISTS', lease) == 0 and claimed_by == ARGV[1] then
    local length = redis.call('XLEN', stream)
    if length > 0 then
      redis.call('SET', claim, ARGV[1], 'PX', ARGV[2])
      lengths[place - 2] = length
    else
      redis.call('DEL', claim, stream)
      redis.call('SREM', KEYS[1], ARGV[place])
    end
  end
end
return lengths
