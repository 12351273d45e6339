-- Deletes the effects of jobs that went.
DELETE FROM effects
WHERE job_id = ANY ($1::uuid[])
