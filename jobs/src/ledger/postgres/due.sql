-- What is due in these buckets, of each its share, oldest first; from their earliest due times on, which spares the walk past
-- what was deleted before them.
SELECT wanted.bucket, due.due_at_ms, due.id
FROM unnest($1::smallint[], $2::bigint[], $3::bigint[]) AS wanted (bucket, from_ms, share)
CROSS JOIN LATERAL (
    SELECT due_at_ms, id
    FROM delayed
    WHERE delayed.bucket = wanted.bucket
      AND delayed.due_at_ms >= wanted.from_ms
      AND delayed.due_at_ms <= $4
    ORDER BY due_at_ms, id
    LIMIT wanted.share
) AS due
