-- Keeps conflicts over those of the same keys, which are known for longer.
INSERT INTO sync_conflicts (sync, key, source, hash, run, created_at_ms)
SELECT ?1, value ->> 'key', value ->> 'source', unhex(value ->> 'hash'), ?2, ?3
FROM json_each(?4)
WHERE true
ON CONFLICT (sync, key) DO UPDATE
SET source = excluded.source, hash = excluded.hash, run = excluded.run
