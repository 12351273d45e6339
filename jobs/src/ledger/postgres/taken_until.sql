-- Until when the row of calls through a connection is taken.
SELECT coalesce(taken_until_us, 0)
FROM connections
WHERE id = $1
  AND tenant = $2
FOR NO KEY UPDATE
