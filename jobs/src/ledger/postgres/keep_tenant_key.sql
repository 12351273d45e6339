-- Keeps the tenant's first key; of several at once one is kept.
WITH clock AS (SELECT coalesce($5::bigint, (extract(epoch FROM clock_timestamp()) * 1000)::bigint) AS now_ms)
INSERT INTO tenant_keys (tenant, id, wrapped, master, created_at_ms, wrapped_at_ms)
SELECT $1, $2, $3, $4, now_ms, now_ms
FROM clock
ON CONFLICT DO NOTHING
