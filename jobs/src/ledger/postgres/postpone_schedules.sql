-- Schedules that cannot be read are looked at again later.
UPDATE schedules
SET due_at_ms = $2
WHERE id = ANY ($1::uuid[])
