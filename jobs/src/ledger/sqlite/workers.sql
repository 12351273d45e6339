-- Workers that were heard of lately.
SELECT record
FROM workers
WHERE seen_at_ms >= ?1
ORDER BY id
