-- Schedules that are due, the longest first. What another holds is being decided.
SELECT id, tenant, definition, paused, version, created_at_ms, updated_at_ms, next_fire_at_ms, last_fire_at_ms, jobs_made, due_at_ms
FROM schedules
WHERE due_at_ms <= $1
ORDER BY due_at_ms, id
LIMIT $2
FOR UPDATE SKIP LOCKED
