-- The rows of these keys.
SELECT keys.tenant, keys.key, keys.job_id, keys.body_hash, keys.answer
FROM unnest($2::text[], $3::text[]) AS wanted (tenant, key)
JOIN keys ON keys.tenant = wanted.tenant AND keys.scope = $1 AND keys.key = wanted.key
