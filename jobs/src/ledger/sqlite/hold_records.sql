-- Records of these keys, as far as a decision looks at them.
SELECT records.key, records.version, records.hash, records.updated_at_ms, records.deleted_at_ms IS NOT NULL AS is_deleted
FROM json_each(?3) AS wanted
CROSS JOIN records ON records.tenant = ?1 AND records.collection = ?2 AND records.key = wanted.value
