-- Says that a worker lives.
UPDATE workers
SET seen_at_ms = coalesce($1::bigint, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
WHERE id = $2
