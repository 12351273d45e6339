-- Records of a collection of which a field has this value, by key.
SELECT records.collection, records.key, records.data, records.version, records.sync, records.created_at_ms, records.updated_at_ms, records.deleted_at_ms
FROM record_values
INNER JOIN records
    ON records.tenant = record_values.tenant
   AND records.collection = record_values.collection
   AND records.key = record_values.key
WHERE record_values.tenant = $1
  AND record_values.collection = $2
  AND record_values.field = $6
  AND record_values.value = $7
  AND record_values.key > $3
  AND ($4 OR records.deleted_at_ms IS NULL)
ORDER BY record_values.key
LIMIT $5
