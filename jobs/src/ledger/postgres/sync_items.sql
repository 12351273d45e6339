-- What a sync remembers of these keys.
SELECT key, hash, seen, version, is_deleted, pending, pending_at_ms, remote_id
FROM sync_items
WHERE sync = $1
  AND key = ANY ($2::text[])
