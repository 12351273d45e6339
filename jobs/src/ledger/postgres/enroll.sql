-- Says what a worker can run.
INSERT INTO workers (id, record, seen_at_ms)
VALUES ($2, $3, coalesce($1::bigint, (extract(epoch FROM clock_timestamp()) * 1000)::bigint))
ON CONFLICT (id) DO UPDATE SET record = excluded.record, seen_at_ms = excluded.seen_at_ms
