-- A job's deliveries, by key.
SELECT job_id, key, tenant, connection, provider_id, version, facts, created_at_ms, changed_at_ms
FROM deliveries
WHERE job_id = ?1
  AND tenant = ?2
ORDER BY key
