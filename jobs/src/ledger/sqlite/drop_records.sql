-- Deletes records that are held.
DELETE FROM records
WHERE tenant = ?1
  AND collection = ?2
  AND key IN (SELECT value FROM json_each(?3))
