-- The rows of these keys.
SELECT keys.tenant, keys.key, keys.job_id, keys.body_hash, keys.answer
FROM json_each(?1) AS wanted
CROSS JOIN keys ON keys.tenant = wanted.value ->> 'tenant' AND keys.scope = ?2 AND keys.key = wanted.value ->> 'key'
