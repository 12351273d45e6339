-- Notes that a run saw these, where they are remembered and it has not yet.
UPDATE sync_items
SET seen = $3
WHERE sync = $1
  AND key = ANY ($2::text[])
  AND seen <> $3
