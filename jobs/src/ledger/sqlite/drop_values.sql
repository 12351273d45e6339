-- Deletes what these records have at look-up fields.
DELETE FROM record_values
WHERE tenant = ?1
  AND collection = ?2
  AND key IN (SELECT value FROM json_each(?3))
