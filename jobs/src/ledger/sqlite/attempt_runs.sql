-- Whether an attempt runs, asked to stop or not.
SELECT count(*)
FROM jobs
WHERE id = ?1
  AND state = 2
  AND attempt = ?2
