-- A tenant's jobs, newest first.
SELECT *
FROM jobs
WHERE tenant = ?1
  AND (?2 IS NULL OR id < ?2)
  AND (?3 IS NULL OR kind = ?3)
  AND (?4 IS NULL OR queue = ?4)
  AND (?5 IS NULL OR state = ?5)
  AND (?6 IS NULL OR EXISTS (SELECT 1 FROM json_each(tags) WHERE value = ?6))
  AND (?7 IS NULL OR created_at_ms >= ?7)
  AND (?8 IS NULL OR created_at_ms < ?8)
ORDER BY id DESC
LIMIT ?9
