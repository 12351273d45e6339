-- Takes a leadership that is free or ours. The epoch grows with each change of holder.
WITH clock AS MATERIALIZED (
    SELECT coalesce($1::bigint, (extract(epoch FROM clock_timestamp()) * 1000)::bigint) AS now_ms
)
INSERT INTO leaders (name, holder, epoch, expires_at_ms)
SELECT $2, $3, 1, now_ms + $4::bigint
FROM clock
ON CONFLICT (name) DO UPDATE SET
    epoch = leaders.epoch + (leaders.holder <> excluded.holder)::integer,
    holder = excluded.holder,
    expires_at_ms = excluded.expires_at_ms
WHERE leaders.holder = excluded.holder OR leaders.expires_at_ms <= excluded.expires_at_ms - $4::bigint
RETURNING epoch
