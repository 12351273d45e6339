-- Notes that a run saw these, where they are remembered and it has not yet.
UPDATE sync_items
SET seen = ?3
WHERE sync = ?1
  AND key IN (SELECT value FROM json_each(?2))
  AND seen <> ?3
