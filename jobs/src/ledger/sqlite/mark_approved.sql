-- Marks a connection of the tenant as synced, and holds that row until the transaction ends: two syncs follow each other.
INSERT INTO approved_syncs (connection, tenant, synced_at_ms)
SELECT id, tenant, ?3
FROM connections
WHERE id = ?1
  AND tenant = ?2
ON CONFLICT (connection) DO UPDATE
SET synced_at_ms = excluded.synced_at_ms
