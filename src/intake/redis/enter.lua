-- Lets a node in under an id that was never used, with a lease and an empty stream.
--
-- KEYS  1 epoch · 2 nodes · 3 lease and 4 sequence of the node
--       then, if it was another before: 5 sequence and 6 claim of that
-- ARGV  1 life · 2 name for an epoch · 3 the node · 4 milliseconds of its lease · 5 the sequence that it knows of
--       what it was before, 0 if it was none
--
-- If Redis knows less of that than the node does itself, Redis went back in time, and a new epoch begins. The node
-- claims the stream that it had, unless another was first: it still holds what is in there.

local before = #KEYS > 4
epoch(before and tonumber(redis.call('GET', KEYS[5]) or 0) < tonumber(ARGV[5]))
redis.call('SADD', KEYS[2], ARGV[3])
redis.call('SET', KEYS[3], '', 'PX', ARGV[4])
redis.call('SET', KEYS[4], 0, 'EX', 86400)
if before then
  redis.call('SET', KEYS[6], ARGV[3], 'NX', 'PX', ARGV[4])
end
