-- Forgets what a deleted sync remembers of so many keys.
DELETE FROM sync_items
USING (
    SELECT key
    FROM sync_items
    WHERE sync = $1
    ORDER BY key
    LIMIT $2
) AS old
WHERE sync_items.sync = $1
  AND sync_items.key = old.key
