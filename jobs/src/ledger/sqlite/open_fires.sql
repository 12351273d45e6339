-- Fires whose ends the next ones may have to wait for, oldest first.
SELECT fires.schedule_id, fires.fire_at_ms, fires.job_id
FROM json_each(?1) AS wanted
CROSS JOIN fires INDEXED BY fires_open ON fires.schedule_id = unhex(wanted.value)
WHERE fires.is_open
ORDER BY fires.schedule_id, fires.fire_at_ms
