-- Writes over records that are held: each is found by its key, whatever the planner knows of the table. One that was marked as deleted is there
-- again.
INSERT INTO records (tenant, collection, key, data, hash, version, sync, created_at_ms, updated_at_ms)
SELECT $1, $2, given.key, given.data, given.hash, given.version, $3, clock.now_ms, clock.now_ms
FROM unnest($5::text[], $6::text[], $7::bytea[], $8::bigint[]) AS given (key, data, hash, version)
CROSS JOIN (SELECT coalesce($4::bigint, (extract(epoch FROM clock_timestamp()) * 1000)::bigint) AS now_ms) AS clock
ON CONFLICT (tenant, collection, key) DO UPDATE
SET
    data = excluded.data,
    hash = excluded.hash,
    version = excluded.version,
    sync = excluded.sync,
    updated_at_ms = excluded.updated_at_ms,
    deleted_at_ms = NULL
