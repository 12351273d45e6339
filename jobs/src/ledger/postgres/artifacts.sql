-- A job's artifacts by name.
SELECT name, attempt, bytes, sha256, media_type, object_key
FROM artifacts
WHERE job_id = $1
ORDER BY name COLLATE "C"
