-- Keeps new records; those that are there already are left as they are.
INSERT INTO records (tenant, collection, key, data, hash, version, sync, created_at_ms, updated_at_ms)
SELECT ?1, ?2, value ->> 'key', value ->> 'data', unhex(value ->> 'hash'), value ->> 'version', ?3, ?4, ?4
FROM json_each(?5)
WHERE true
ON CONFLICT DO NOTHING
RETURNING key
