-- Forgets so many conflicts of a deleted sync.
DELETE FROM sync_conflicts
USING (
    SELECT key
    FROM sync_conflicts
    WHERE sync = $1
    ORDER BY key
    LIMIT $2
) AS old
WHERE sync_conflicts.sync = $1
  AND sync_conflicts.key = old.key
