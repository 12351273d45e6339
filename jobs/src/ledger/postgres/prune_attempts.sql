-- Deletes the attempts of jobs that went.
DELETE FROM attempts
WHERE job_id = ANY ($1::uuid[])
