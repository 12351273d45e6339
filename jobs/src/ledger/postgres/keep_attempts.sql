-- Keeps attempts that ended without ending their job, from the rows as they were just written.
INSERT INTO attempts (job_id, attempt, worker, started_at_ms, finished_at_ms, outcome, reason, error)
SELECT jobs.id, jobs.attempt, jobs.worker, jobs.started_at_ms, $2, jobs.outcome, jobs.reason, jobs.error
FROM jobs
WHERE jobs.id = ANY ($1::uuid[])
ON CONFLICT (job_id, attempt) DO NOTHING
