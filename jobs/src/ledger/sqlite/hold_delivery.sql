-- A job's delivery of this key, which is to be changed.
SELECT job_id, key, tenant, connection, provider_id, version, facts, created_at_ms, changed_at_ms
FROM deliveries
WHERE job_id = ?1
  AND key = ?2
