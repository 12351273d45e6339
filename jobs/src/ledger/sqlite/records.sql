-- Records of a collection, by key.
SELECT collection, key, data, version, sync, created_at_ms, updated_at_ms, deleted_at_ms
FROM records
WHERE tenant = ?1
  AND collection = ?2
  AND key > ?3
  AND (?4 OR deleted_at_ms IS NULL)
ORDER BY key
LIMIT ?5
