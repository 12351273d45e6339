-- The earliest due time of every bucket that has any, one index seek each.
SELECT number::smallint AS number, due.due_at_ms
FROM generate_series(0, 63) AS bucket (number)
CROSS JOIN LATERAL (
    SELECT due_at_ms
    FROM delayed
    WHERE delayed.bucket = bucket.number
    ORDER BY due_at_ms
    LIMIT 1
) AS due
ORDER BY number
