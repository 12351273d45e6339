-- A job's effects by key.
SELECT job_id, key, tenant, version, facts, callback, created_at_ms, changed_at_ms, until_at_ms
FROM effects
WHERE job_id = ?1
  AND tenant = ?2
ORDER BY key
