-- Whose name this is.
SELECT id
FROM schedules
WHERE tenant = $1
  AND name = $2
