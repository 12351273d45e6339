-- One event of the tenant, with its payload.
SELECT id, tenant, connection, digest, received_at_ms, facts, payload
FROM hook_events
WHERE id = $1
  AND tenant = $2
