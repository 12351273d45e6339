-- The clock, and the earliest due time of every bucket that has any, one index seek each.
WITH clock AS (
    SELECT coalesce($1::bigint, (extract(epoch FROM clock_timestamp()) * 1000)::bigint) AS now_ms
)
SELECT clock.now_ms, due.number, due.due_at_ms
FROM clock
LEFT JOIN (
    SELECT number::smallint AS number, first.due_at_ms
    FROM generate_series(0, 63) AS bucket (number)
    CROSS JOIN LATERAL (
        SELECT due_at_ms
        FROM delayed
        WHERE delayed.bucket = bucket.number
        ORDER BY due_at_ms
        LIMIT 1
    ) AS first
) AS due ON true
ORDER BY due.number
