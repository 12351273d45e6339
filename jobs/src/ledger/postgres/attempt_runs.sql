-- Whether an attempt runs, asked to stop or not. It stays so until the transaction has ended.
SELECT id
FROM jobs
WHERE id = $1
  AND state IS NOT DISTINCT FROM 2
  AND attempt = $2
FOR SHARE
