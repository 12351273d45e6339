-- Deletes the deliveries of jobs that went.
DELETE FROM deliveries
WHERE job_id = ANY ($1::uuid[])
