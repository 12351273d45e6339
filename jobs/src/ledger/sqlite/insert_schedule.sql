-- Keeps a schedule, unless its name is taken or an insert whose answer was lost has kept it.
INSERT INTO schedules (id, tenant, name, definition, paused, version, created_at_ms, updated_at_ms, next_fire_at_ms, last_fire_at_ms, jobs_made, due_at_ms)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
ON CONFLICT DO NOTHING
