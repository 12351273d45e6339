-- The fires of a schedule that is gone are forgotten in their time.
UPDATE fires
SET is_open = false
WHERE schedule_id = ?1
  AND is_open
