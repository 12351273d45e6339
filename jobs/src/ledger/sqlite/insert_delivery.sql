-- Keeps a delivery, if its job is the tenant's and has none of this key, and, if that is asked for, has an effect of this key.
INSERT INTO deliveries (job_id, key, tenant, connection, provider_id, version, facts, created_at_ms, changed_at_ms)
SELECT id, ?3, tenant, ?4, ?5, 1, ?6, ?7, ?7
FROM jobs
WHERE id = ?1
  AND tenant = ?2
  AND (NOT ?8 OR EXISTS (SELECT 1 FROM effects WHERE job_id = ?1 AND key = ?3))
ON CONFLICT (job_id, key) DO NOTHING
