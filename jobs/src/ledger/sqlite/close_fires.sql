-- Fires at whose jobs nobody need look again.
UPDATE fires
SET is_open = false
FROM json_each(?1) AS closed
WHERE fires.schedule_id = unhex(closed.value ->> 0)
  AND fires.fire_at_ms = closed.value ->> 1
