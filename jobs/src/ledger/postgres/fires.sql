-- A schedule's fires, latest first.
SELECT fire_at_ms, status, manual, reason, message, job_id, n, decided_at_ms, late_ms, is_open
FROM fires
WHERE schedule_id = $1
  AND fire_at_ms < $2
  AND ($3::text IS NULL OR status = $3)
ORDER BY fire_at_ms DESC
LIMIT $4
