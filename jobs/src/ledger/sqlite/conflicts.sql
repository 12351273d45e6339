-- A sync's conflicts by key, each with the record that it is about.
SELECT
    sync_conflicts.key,
    sync_conflicts.source,
    sync_conflicts.hash,
    sync_conflicts.run,
    sync_conflicts.created_at_ms,
    records.collection,
    records.data,
    records.version,
    records.sync,
    records.created_at_ms AS record_created_at_ms,
    records.updated_at_ms,
    records.deleted_at_ms
FROM syncs
INNER JOIN sync_conflicts ON sync_conflicts.sync = syncs.id
LEFT JOIN records
    ON records.tenant = syncs.tenant
   AND records.collection = syncs.collection
   AND records.key = sync_conflicts.key
WHERE syncs.id = ?2
  AND syncs.tenant = ?1
  AND sync_conflicts.key > ?3
ORDER BY sync_conflicts.key
LIMIT ?4
