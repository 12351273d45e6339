-- Says what a worker can run.
INSERT INTO workers (id, record, seen_at_ms)
VALUES (?1, ?2, ?3)
ON CONFLICT (id) DO UPDATE SET record = excluded.record, seen_at_ms = excluded.seen_at_ms
