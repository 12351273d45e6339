-- Forgets so many conflicts of a deleted sync.
DELETE FROM sync_conflicts
WHERE sync = ?1
  AND key IN (
    SELECT key
    FROM sync_conflicts
    WHERE sync = ?1
    ORDER BY key
    LIMIT ?2
)
