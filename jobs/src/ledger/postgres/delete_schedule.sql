-- A schedule of the tenant goes.
DELETE FROM schedules
WHERE id = $1
  AND tenant = $2
