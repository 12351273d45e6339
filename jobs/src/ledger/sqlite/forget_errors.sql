-- Forgets so many row errors of a deleted sync.
DELETE FROM sync_errors
WHERE sync = ?1
  AND (run, n) IN (
    SELECT run, n
    FROM sync_errors
    WHERE sync = ?1
    ORDER BY run, n
    LIMIT ?2
)
