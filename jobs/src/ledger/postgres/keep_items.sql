-- Remembers these, over what was remembered of the same keys.
INSERT INTO sync_items (sync, key, hash, seen, version, is_deleted, pending, pending_at_ms, remote_id)
SELECT $1, given.*
FROM unnest($2::text[], $3::bytea[], $4::integer[], $5::bigint[], $6::boolean[], $7::bytea[], $8::bigint[], $9::text[]) AS given
ON CONFLICT (sync, key) DO UPDATE
SET
    hash = excluded.hash,
    seen = excluded.seen,
    version = excluded.version,
    is_deleted = excluded.is_deleted,
    pending = excluded.pending,
    pending_at_ms = excluded.pending_at_ms,
    remote_id = excluded.remote_id
