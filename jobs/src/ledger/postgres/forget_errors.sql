-- Forgets so many row errors of a deleted sync.
DELETE FROM sync_errors
USING (
    SELECT run, n
    FROM sync_errors
    WHERE sync = $1
    ORDER BY run, n
    LIMIT $2
) AS old
WHERE sync_errors.sync = $1
  AND sync_errors.run = old.run
  AND sync_errors.n = old.n
