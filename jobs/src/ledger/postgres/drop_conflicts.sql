-- Deletes the conflicts of these keys.
DELETE FROM sync_conflicts
WHERE sync = $1
  AND key = ANY ($2::text[])
