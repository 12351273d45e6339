-- What is due in a bucket, oldest first.
SELECT due_at_ms, id
FROM delayed
WHERE bucket = $1
  AND due_at_ms <= $2
ORDER BY due_at_ms, id
LIMIT $3
