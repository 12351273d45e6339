-- A run that is to be written for.
SELECT tenant, number, version, job_id, attempt, state, is_full, is_dry, counts, place, error, started_at_ms, finished_at_ms
FROM sync_runs
WHERE sync = ?1
  AND number = ?2
