-- Deletes the artifacts of jobs that went, and says under which keys they lie.
DELETE FROM artifacts
WHERE job_id = ANY ($1::uuid[])
RETURNING job_id, object_key
