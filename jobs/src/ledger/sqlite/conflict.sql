-- A conflict.
SELECT key, source, hash, run, created_at_ms
FROM sync_conflicts
WHERE sync = ?1
  AND key = ?2
