-- Deletes the logs of jobs that went.
DELETE FROM logs
WHERE job_id = ANY ($1::uuid[])
