-- Keeps an event, unless the hook was told the same before.
INSERT INTO hook_events (id, tenant, connection, digest, received_at_ms, facts, payload)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT DO NOTHING
