-- Whether an attempt runs that nobody asked to stop. It stays so until the transaction has ended.
SELECT id
FROM jobs
WHERE id = $1
  AND state IS NOT DISTINCT FROM 2
  AND attempt = $2
  AND NOT cancel_requested
FOR SHARE
