-- Keeps translations of a tenant whose room is held; one that is there stays as it is.
INSERT INTO translations (tenant, hash, facts, bytes, used_at_ms)
SELECT ?1, unhex(value ->> 0), value ->> 1, value ->> 2, ?3
FROM json_each(?2)
WHERE true
ON CONFLICT (tenant, hash) DO NOTHING
RETURNING bytes
