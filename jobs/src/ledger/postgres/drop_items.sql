-- Forgets these.
DELETE FROM sync_items
WHERE sync = $1
  AND key = ANY ($2::text[])
