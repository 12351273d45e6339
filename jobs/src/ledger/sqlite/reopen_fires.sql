-- The latest fires that submitted jobs count again for those to come.
UPDATE fires
SET is_open = true
WHERE schedule_id = ?1
  AND fire_at_ms IN (SELECT fire_at_ms FROM fires WHERE schedule_id = ?1 AND job_id IS NOT NULL ORDER BY fire_at_ms DESC LIMIT ?2)
