-- Keeps new records; those that are there already are left as they are.
INSERT INTO records (tenant, collection, key, data, hash, version, sync, created_at_ms, updated_at_ms)
SELECT $1, $2, given.key, given.data, given.hash, given.version, $3, clock.now_ms, clock.now_ms
FROM unnest($5::text[], $6::text[], $7::bytea[], $8::bigint[]) AS given (key, data, hash, version)
CROSS JOIN (SELECT coalesce($4::bigint, (extract(epoch FROM clock_timestamp()) * 1000)::bigint) AS now_ms) AS clock
ORDER BY given.key
ON CONFLICT DO NOTHING
RETURNING key
