-- Makes an index, unless the tenant has one of this name.
INSERT INTO indexes (tenant, name, current, deleted_to, created_at_ms)
VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (tenant, name) DO NOTHING
RETURNING id
