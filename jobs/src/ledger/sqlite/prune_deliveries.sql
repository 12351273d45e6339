-- Deletes the deliveries of jobs that go.
DELETE FROM deliveries
WHERE job_id IN (SELECT unhex(value) FROM json_each(?1))
