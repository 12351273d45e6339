-- The greatest version of a record of the collection that is gone.
SELECT version
FROM record_floors
WHERE tenant = $1
  AND collection = $2
