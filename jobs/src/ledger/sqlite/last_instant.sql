-- The latest instant of a schedule, not before this one, that has a row.
SELECT fire_at_ms
FROM fires
WHERE schedule_id = ?1
  AND fire_at_ms >= ?2
ORDER BY fire_at_ms DESC
LIMIT 1
