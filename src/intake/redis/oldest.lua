#!lua flags=no-writes
-- Says which entry of each stream is the oldest, without what is in it.
--
-- KEYS  the streams
--
-- Returns { milliseconds of the server's clock, { the id of the first entry of each stream that has one } }.

local seconds, micros = unpack(redis.call('TIME'))
local firsts = {}
for place = 1, #KEYS do
  local first = redis.call('XRANGE', KEYS[place], '-', '+', 'COUNT', 1)[1]
  if first then
    firsts[#firsts + 1] = first[1]
  end
end
return { seconds * 1000 + math.floor(micros / 1000), firsts }
