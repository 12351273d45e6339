-- Keeps conflicts over those of the same keys, which are known for longer.
INSERT INTO sync_conflicts (sync, key, source, hash, run, created_at_ms)
SELECT $1, given.key, given.source, given.hash, $2, coalesce($3::bigint, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
FROM unnest($4::text[], $5::text[], $6::bytea[]) AS given (key, source, hash)
ON CONFLICT (sync, key) DO UPDATE
SET source = excluded.source, hash = excluded.hash, run = excluded.run
