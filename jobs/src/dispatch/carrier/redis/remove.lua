-- Removes revoked tickets that no worker has fetched; a fetched one is removed once it is done, or its data would
-- be missed by whoever fetches it again.
--
-- KEYS: 1 active list, 2 data hash, 3 prefix of the meta hashes
-- ARGV: the tickets' ids
local active, data, meta = KEYS[1], KEYS[2], KEYS[3]

for _, id in ipairs(ARGV) do
  if redis.call('LREM', active, 1, id) > 0 then
    redis.call('HDEL', data, id)
    redis.call('DEL', meta .. ':' .. id)
  end
end

return redis.call('LLEN', active)
