-- Schedules that cannot be read are looked at again later.
UPDATE schedules
SET due_at_ms = ?2
WHERE id IN (SELECT unhex(value) FROM json_each(?1))
