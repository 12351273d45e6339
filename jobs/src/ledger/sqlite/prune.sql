-- Deletes finished jobs.
DELETE FROM jobs
WHERE id IN (SELECT unhex(value) FROM json_each(?1))
