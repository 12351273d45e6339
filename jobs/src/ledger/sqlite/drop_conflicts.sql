-- Deletes the conflicts of these keys.
DELETE FROM sync_conflicts
WHERE sync = ?1
  AND key IN (SELECT value FROM json_each(?2))
