-- Keeps a connection, unless its name or its id is taken.
INSERT INTO connections (id, tenant, name, provider, version, facts, sealed_by, sealed, created_at_ms, updated_at_ms, tested_at_ms, erred_at_ms, last_used_at_ms)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
ON CONFLICT DO NOTHING
