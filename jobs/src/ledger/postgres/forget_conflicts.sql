-- Forgets so many conflicts of a deleted sync.
DELETE FROM sync_conflicts
WHERE ctid = ANY (ARRAY (
    SELECT ctid
    FROM sync_conflicts
    WHERE sync = $1
    ORDER BY key
    LIMIT $2
))
