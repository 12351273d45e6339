-- Ready jobs of a lane in their order, after a key.
SELECT id, attempt, kind, priority
FROM jobs
WHERE queue = $1
  AND tenant = $2
  AND finished_at_ms IS NULL
  AND state IS NOT DISTINCT FROM 1
  AND priority <= $3
  AND (priority < $3 OR id > $4)
ORDER BY priority DESC, id
LIMIT $5
