-- The delivery that a provider calls so, which is to be changed; of several the latest job's.
SELECT job_id, key, tenant, connection, provider_id, version, facts, created_at_ms, changed_at_ms
FROM deliveries
WHERE tenant = ?1
  AND connection = ?2
  AND provider_id = ?3
ORDER BY job_id DESC
LIMIT 1
