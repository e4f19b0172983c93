-- Makes counters at least this high, and those of the present epoch that were not.
--
-- KEYS  1 epoch · then the counters
-- ARGV  1 life · 2 name for an epoch · then a number each counter, 0 where nothing was numbered yet
--
-- A retired counter stays retired, and none is lowered: what a counter of an older epoch says was handed out.

local name = epoch(false)
for place = 2, #KEYS do
  local mark = tonumber(ARGV[1 + place])
  local counter = redis.call('GET', KEYS[place])
  if counter ~= 'retired' then
    if counter then
      local _, number = read(counter)
      mark = math.max(mark, number)
    end
    count(KEYS[place], name, mark)
  end
end
