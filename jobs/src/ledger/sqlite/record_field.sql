-- How a look-up field stands.
SELECT state
FROM record_fields
WHERE tenant = ?1
  AND collection = ?2
  AND field = ?3
