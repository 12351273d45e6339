-- A job's kept attempts.
SELECT attempt, worker, started_at_ms, finished_at_ms, outcome, reason, error
FROM attempts
WHERE job_id = $1
ORDER BY attempt
