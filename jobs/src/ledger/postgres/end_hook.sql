-- Ends the hook of a connection.
DELETE FROM hooks
WHERE connection = $1
  AND tenant = $2
