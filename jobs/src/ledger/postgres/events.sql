-- Events of a connection, latest first, before this one.
SELECT id, tenant, connection, digest, received_at_ms, facts
FROM hook_events
WHERE connection = $1
  AND tenant = $2
  AND id < coalesce($3::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
ORDER BY id DESC
LIMIT $4
