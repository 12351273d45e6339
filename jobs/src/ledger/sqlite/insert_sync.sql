-- Keeps a new sync, unless there is one of its name.
INSERT INTO syncs (id, tenant, name, version, preset, definition, collection, since, last_run, created_at_ms, updated_at_ms)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
ON CONFLICT DO NOTHING
