-- Keeps an event, unless the hook was told the same before.
INSERT INTO hook_events (id, tenant, connection, digest, received_at_ms, facts, payload)
VALUES ($1, $2, $3, $4, coalesce($5::bigint, (extract(epoch FROM clock_timestamp()) * 1000)::bigint), $6, $7)
ON CONFLICT DO NOTHING
