-- The first part of every script that reads or sets counters.
--
-- A counter is the text `<epoch> <greatest number handed out>`, or `retired`. Only those of the present epoch are
-- used. A new epoch begins whenever Redis may have gone back in time, so that its counters may be too low: each is
-- then seeded from the store again, and never below what it says. The name of an epoch is random: a count of epochs
-- would go back in time as well.
--
-- KEYS[1]  the epoch: a hash of its `name` and of the `life` of the server in which it began
-- ARGV[1]  the life of the server that the caller is connected to; empty where he was not told
-- ARGV[2]  a name for an epoch, never used before

-- The name of the present epoch, which is a new one if there was none, if the server was started since, and so
-- maybe from an older copy of its data, or if `is_behind`.
local function epoch(is_behind)
  local name, life = unpack(redis.call('HMGET', KEYS[1], 'name', 'life'))
  if name and not is_behind and (ARGV[1] == '' or ARGV[1] == life) then
    return name
  end
  redis.call('HSET', KEYS[1], 'name', ARGV[2], 'life', ARGV[1])
  return ARGV[2]
end

-- The epoch and the number that a counter says.
local function read(counter)
  local space = string.find(counter, ' ', 1, true)
  return string.sub(counter, 1, space - 1), tonumber(string.sub(counter, space + 1))
end

-- Lua's own way of writing large numbers is not exact.
local function digits(number)
  return string.format('%.0f', number)
end

-- A counter lives a day after its last use; it can always be seeded again.
local function count(key, name, number)
  redis.call('SET', key, name .. ' ' .. digits(number), 'EX', 86400)
end

