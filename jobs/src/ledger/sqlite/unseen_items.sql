-- What a sync remembers that is not deleted and that a run has not seen, by key.
SELECT key, hash, seen, version, is_deleted, pending, pending_at_ms, remote_id
FROM sync_items
WHERE sync = ?2
  AND seen <> ?3
  AND key > ?4
  AND is_deleted = 0
  AND EXISTS (SELECT 1 FROM syncs WHERE id = ?2 AND tenant = ?1)
ORDER BY key
LIMIT ?5
