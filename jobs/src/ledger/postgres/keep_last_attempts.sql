-- Keeps the attempts that ended their jobs, before a redrive clears them from the rows. No harm if the redrive is refused.
INSERT INTO attempts (job_id, attempt, worker, started_at_ms, finished_at_ms, outcome, reason, error)
SELECT jobs.id, jobs.attempt, jobs.worker, jobs.started_at_ms, jobs.finished_at_ms, jobs.outcome, jobs.reason, jobs.error
FROM jobs
WHERE jobs.id = ANY ($1::uuid[])
  AND jobs.finished_at_ms IS NOT NULL
  AND jobs.attempt > 0
  AND jobs.outcome IS NOT NULL
ON CONFLICT (job_id, attempt) DO NOTHING
