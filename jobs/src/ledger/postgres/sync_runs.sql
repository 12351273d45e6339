-- A sync's runs, latest first.
SELECT tenant, number, version, job_id, attempt, state, is_full, is_dry, counts, place, error, started_at_ms, finished_at_ms
FROM sync_runs
WHERE sync = $2
  AND tenant = $1
  AND number < $3
ORDER BY number DESC
LIMIT $4
