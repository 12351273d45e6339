-- Whether a job is there that is not final (completed, dead, cancelled).
SELECT count(*)
FROM jobs
WHERE id = ?1
  AND state NOT IN (5, 6, 7)
