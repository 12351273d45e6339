-- Notes that a connection was used. No guard: it decides nothing.
UPDATE connections
SET last_used_at_ms = coalesce($3::bigint, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
WHERE id = $1
  AND tenant = $2
