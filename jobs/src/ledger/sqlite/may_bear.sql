-- Whether an attempt runs that nobody asked to stop.
SELECT count(*)
FROM jobs
WHERE id = ?1
  AND state = 2
  AND attempt = ?2
  AND cancel_requested = 0
