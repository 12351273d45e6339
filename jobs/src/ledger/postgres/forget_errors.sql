-- Forgets so many row errors of a deleted sync.
DELETE FROM sync_errors
WHERE ctid = ANY (ARRAY (
    SELECT ctid
    FROM sync_errors
    WHERE sync = $1
    ORDER BY run, n
    LIMIT $2
))
