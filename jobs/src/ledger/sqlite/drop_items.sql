-- Forgets these.
DELETE FROM sync_items
WHERE sync = ?1
  AND key IN (SELECT value FROM json_each(?2))
