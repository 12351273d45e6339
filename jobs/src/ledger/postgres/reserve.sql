-- Reserves the keys that are free, after whoever is about to commit or delete one. A key that is taken stays as it is,
-- is not locked, and its row is not returned. They come sorted, so that two of these never deadlock.
INSERT INTO keys (tenant, scope, key, job_id, body_hash, answer, expires_at_ms)
SELECT
    given.tenant, $2, given.key, given.job_id, given.body_hash, given.answer,
    coalesce($1::bigint, (extract(epoch FROM clock_timestamp()) * 1000)::bigint) + $3::bigint
FROM unnest($4::text[], $5::text[], $6::uuid[], $7::bytea[], $8::text[]) AS given (tenant, key, job_id, body_hash, answer)
ON CONFLICT (tenant, scope, key) DO NOTHING
RETURNING tenant, key
