-- Fires whose ends the next ones may have to wait for, oldest first.
SELECT fires.schedule_id, fires.fire_at_ms, fires.job_id
FROM unnest($1::uuid[]) AS wanted (id)
JOIN fires ON fires.schedule_id = wanted.id
WHERE fires.is_open
ORDER BY fires.schedule_id, fires.fire_at_ms
