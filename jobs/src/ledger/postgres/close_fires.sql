-- Fires at whose jobs nobody need look again.
UPDATE fires
SET is_open = false
FROM unnest($1::uuid[], $2::bigint[]) AS closed (schedule_id, fire_at_ms)
WHERE fires.schedule_id = closed.schedule_id
  AND fires.fire_at_ms = closed.fire_at_ms
