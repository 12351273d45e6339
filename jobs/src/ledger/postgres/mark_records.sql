-- Marks records that are held as deleted.
UPDATE records
SET
    version = version + 1,
    sync = $3,
    updated_at_ms = clock.now_ms,
    deleted_at_ms = clock.now_ms
FROM (SELECT coalesce($4::bigint, (extract(epoch FROM clock_timestamp()) * 1000)::bigint) AS now_ms) AS clock
WHERE tenant = $1
  AND collection = $2
  AND key = ANY ($5::text[])
