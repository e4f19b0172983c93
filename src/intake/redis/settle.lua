#!lua flags=allow-oom
-- Forgets entries, and holds their keys for a little longer only. It runs also while the memory is full: it frees some.
--
-- KEYS  each entry: its stream · then the holds
-- ARGV  1 how many entries · 2 milliseconds that keys are held from now on · then each entry: its id in the stream
--       then each hold: the id of the draft that took it; another's hold is left alone

local entries = tonumber(ARGV[1])
for place = entries + 1, #KEYS do
  if redis.call('GET', KEYS[place]) == ARGV[2 + place] then
    redis.call('PEXPIRE', KEYS[place], ARGV[2])
  end
end
for place = 1, entries do
  redis.call('XDEL', KEYS[place], ARGV[2 + place])
end
