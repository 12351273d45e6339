-- Deletes idempotency keys whose time is over, oldest first; those that somebody is at work on stay for the next time.
DELETE FROM keys
WHERE ctid = ANY (ARRAY (
    SELECT ctid
    FROM keys
    WHERE expires_at_ms <= coalesce($1::bigint, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
    ORDER BY expires_at_ms
    LIMIT $2
    FOR UPDATE SKIP LOCKED
))
