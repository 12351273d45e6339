-- Deletes the effects of jobs that go.
DELETE FROM effects
WHERE job_id IN (SELECT unhex(value) FROM json_each(?1))
