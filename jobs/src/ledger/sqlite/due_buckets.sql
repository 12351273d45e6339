-- The earliest due time of every bucket that has any, one index seek each.
WITH RECURSIVE bucket (number) AS (
    VALUES (0)
    UNION ALL
    SELECT number + 1
    FROM bucket
    WHERE number < 63
)
SELECT number, (SELECT min(due_at_ms) FROM delayed WHERE delayed.bucket = number) AS due_at_ms
FROM bucket
WHERE due_at_ms IS NOT NULL
ORDER BY number
