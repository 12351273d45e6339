-- Remembers these, over what was remembered of the same keys.
INSERT INTO sync_items (sync, key, hash, seen, version, is_deleted, pending, pending_at_ms, remote_id)
SELECT
    ?1,
    value ->> 'key',
    unhex(value ->> 'hash'),
    value ->> 'seen',
    value ->> 'version',
    value ->> 'is_deleted',
    unhex(value ->> 'pending'),
    value ->> 'pending_at_ms',
    value ->> 'remote_id'
FROM json_each(?2)
WHERE true
ON CONFLICT (sync, key) DO UPDATE
SET
    hash = excluded.hash,
    seen = excluded.seen,
    version = excluded.version,
    is_deleted = excluded.is_deleted,
    pending = excluded.pending,
    pending_at_ms = excluded.pending_at_ms,
    remote_id = excluded.remote_id
