-- A schedule after an edit; its row is held.
UPDATE schedules
SET name = $2, definition = $3, paused = $4, version = $5, updated_at_ms = $6, next_fire_at_ms = $7, due_at_ms = $8
WHERE id = $1
