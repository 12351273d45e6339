-- Forgets what a deleted sync remembers of so many keys.
DELETE FROM sync_items
WHERE sync = ?1
  AND key IN (
    SELECT key
    FROM sync_items
    WHERE sync = ?1
    ORDER BY key
    LIMIT ?2
)
