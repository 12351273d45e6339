-- Writes an effect's intent, if the attempt runs and its job has no effect of this key and not too many others.
INSERT INTO effects (job_id, key, tenant, version, facts, callback, created_at_ms, changed_at_ms, until_at_ms)
SELECT id, ?4, tenant, 1, ?5, ?6, ?7, ?7, NULL
FROM jobs
WHERE id = ?1
  AND tenant = ?2
  AND attempt = ?3
  AND state = 2
  AND (SELECT count(*) FROM effects WHERE job_id = ?1) < ?8
ON CONFLICT (job_id, key) DO NOTHING
