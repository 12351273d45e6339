-- An event that is to be changed, without its payload.
SELECT id, tenant, connection, digest, received_at_ms, facts
FROM hook_events
WHERE id = ?1
  AND tenant = ?2
