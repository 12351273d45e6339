-- What a sync remembers of these keys.
SELECT
    sync_items.key,
    sync_items.hash,
    sync_items.seen,
    sync_items.version,
    sync_items.is_deleted,
    sync_items.pending,
    sync_items.pending_at_ms,
    sync_items.remote_id
FROM json_each(?2) AS wanted
CROSS JOIN sync_items ON sync_items.sync = ?1 AND sync_items.key = wanted.value
