-- Records of these keys, as far as a decision looks at them.
SELECT key, version, hash, updated_at_ms, deleted_at_ms IS NOT NULL AS is_deleted
FROM records
WHERE tenant = $1
  AND collection = $2
  AND key = ANY ($3::text[])
ORDER BY key
FOR UPDATE
