-- When a connection of the tenant was last synced.
SELECT synced_at_ms
FROM approved_syncs
WHERE connection = ?1
  AND tenant = ?2
