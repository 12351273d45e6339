-- Keeps the tenant's first key; of several at once one is kept.
INSERT INTO tenant_keys (tenant, id, wrapped, master, created_at_ms, wrapped_at_ms)
VALUES (?1, ?2, ?3, ?4, ?5, ?5)
ON CONFLICT DO NOTHING
