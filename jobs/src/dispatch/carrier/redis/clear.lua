-- Removes all tickets of a queue, wherever they are; the workers stay registered. A worker that holds one finds it
-- gone when it says that it is done, and registers anew.
--
-- KEYS: 1 active list, 2 data hash, 3 prefix of the meta hashes, 4 workers, 5 prefix of the in-flight sets; more to delete
local active, data, meta, workers, inflight = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]

for _, id in ipairs(redis.call('HKEYS', data)) do
  redis.call('DEL', meta .. ':' .. id)
end
for _, worker in ipairs(redis.call('ZRANGE', workers, 0, -1)) do
  redis.call('DEL', inflight .. ':' .. worker)
end
redis.call('DEL', active, data)
for i = 6, #KEYS do
  redis.call('DEL', KEYS[i])
end
