-- Reserves the keys that are free. A key that is taken stays as it is, and its row is not returned.
INSERT INTO keys (tenant, scope, key, job_id, body_hash, answer, expires_at_ms)
SELECT value ->> 'tenant', ?2, value ->> 'key', unhex(value ->> 'job_id'), unhex(value ->> 'body_hash'), value ->> 'answer', ?3
FROM json_each(?1)
WHERE true
ON CONFLICT (tenant, scope, key) DO NOTHING
RETURNING tenant, key
