-- The fires of a schedule that is gone.
DELETE FROM fires
WHERE schedule_id = ?1
