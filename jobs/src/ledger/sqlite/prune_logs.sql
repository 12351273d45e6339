-- Deletes the logs of jobs that go.
DELETE FROM logs
WHERE job_id IN (SELECT unhex(value) FROM json_each(?1))
