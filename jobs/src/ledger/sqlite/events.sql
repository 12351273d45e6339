-- Events of a connection, latest first, before this one.
SELECT id, tenant, connection, digest, received_at_ms, facts
FROM hook_events
WHERE connection = ?1
  AND tenant = ?2
  AND (?3 IS NULL OR id < ?3)
ORDER BY id DESC
LIMIT ?4
