-- Writes an effect's intent, if the attempt runs and its job has no effect of this key and not too many others. The lock on the
-- job holds its end back until this is committed.
INSERT INTO effects (job_id, key, tenant, version, facts, callback, created_at_ms, changed_at_ms, until_at_ms)
SELECT id, $4, tenant, 1, $5, $6, now.ms, now.ms, NULL
FROM jobs
CROSS JOIN (SELECT coalesce($7::bigint, (extract(epoch FROM clock_timestamp()) * 1000)::bigint) AS ms) AS now
WHERE id = $1
  AND tenant = $2
  AND attempt = $3
  AND state IS NOT DISTINCT FROM 2
  AND (SELECT count(*) FROM effects WHERE job_id = $1) < $8
FOR SHARE OF jobs
ON CONFLICT (job_id, key) DO NOTHING
