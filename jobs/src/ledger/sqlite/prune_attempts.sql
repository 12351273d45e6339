-- Deletes the attempts of jobs that go.
DELETE FROM attempts
WHERE job_id IN (SELECT unhex(value) FROM json_each(?1))
