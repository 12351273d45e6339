-- Workers that were heard of lately.
SELECT record
FROM workers
WHERE seen_at_ms >= coalesce($1::bigint, (extract(epoch FROM clock_timestamp()) * 1000)::bigint) - $2::bigint
ORDER BY id
