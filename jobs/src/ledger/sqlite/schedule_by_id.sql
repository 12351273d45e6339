-- One schedule of the tenant.
SELECT id, tenant, definition, paused, version, created_at_ms, updated_at_ms, next_fire_at_ms, last_fire_at_ms, jobs_made, due_at_ms
FROM schedules
WHERE id = ?1
  AND tenant = ?2
