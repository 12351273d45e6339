-- A record.
SELECT collection, key, data, version, sync, created_at_ms, updated_at_ms, deleted_at_ms
FROM records
WHERE tenant = ?1
  AND collection = ?2
  AND key = ?3
