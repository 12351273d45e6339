-- Puts tickets at the end of a queue's active list, as apalis-redis's fetch_next.lua expects them, and tells the
-- workers; removes what is left of tickets that are done. No clock: the list's order is the planner's.
--
-- KEYS: 1 active list, 2 data hash, 3 prefix of the meta hashes, 4 done set, 5 set of queues
-- ARGV: 1 queue, 2 channel, 3 how many done tickets to remove at most; then id and data of each ticket
-- Returns the length of the active list, and how many tickets have data.
local active, data, meta, done, queues = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]

for _, id in ipairs(redis.call('SPOP', done, ARGV[3])) do
  redis.call('HDEL', data, id)
  redis.call('DEL', meta .. ':' .. id)
end

for i = 4, #ARGV, 2 do
  local id = ARGV[i]
  if redis.call('HSETNX', data, id, ARGV[i + 1]) == 1 then
    redis.call('HSET', meta .. ':' .. id, 'attempts', 0, 'max_attempts', 1, 'status', 'Pending')
    redis.call('RPUSH', active, id)
  end
end

if #ARGV > 3 then
  redis.call('SADD', queues, ARGV[1])
  redis.call('PUBLISH', ARGV[2], ARGV[1])
end

return { redis.call('LLEN', active), redis.call('HLEN', data) }
