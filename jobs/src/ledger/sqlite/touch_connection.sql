-- Notes that a connection was used. No guard: it decides nothing.
UPDATE connections
SET last_used_at_ms = ?3
WHERE id = ?1
  AND tenant = ?2
