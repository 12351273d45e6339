-- A collection's look-up fields.
SELECT field, state
FROM record_fields
WHERE tenant = $1
  AND collection = $2
