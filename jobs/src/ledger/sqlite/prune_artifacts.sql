-- Deletes the artifacts of jobs that go, and says under which keys they lie.
DELETE FROM artifacts
WHERE job_id IN (SELECT unhex(value) FROM json_each(?1))
RETURNING job_id, object_key
