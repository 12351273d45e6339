-- Deletes records that are held.
DELETE FROM records
WHERE tenant = $1
  AND collection = $2
  AND key = ANY ($3::text[])
