-- A look-up field.
SELECT tenant, collection, field, state, walked
FROM record_fields
WHERE tenant = ?1
  AND collection = ?2
  AND field = ?3
