-- Forgets a look-up field.
DELETE FROM record_fields
WHERE tenant = $1
  AND collection = $2
  AND field = $3
