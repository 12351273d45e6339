-- Keeps translations of a tenant whose room is held; one that is there stays as it is.
INSERT INTO translations (tenant, hash, facts, bytes, used_at_ms)
SELECT $1, hash, facts, bytes, $5
FROM unnest($2::bytea[], $3::text[], $4::bigint[]) AS told (hash, facts, bytes)
ON CONFLICT (tenant, hash) DO NOTHING
RETURNING bytes
