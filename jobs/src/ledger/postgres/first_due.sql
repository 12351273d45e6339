-- When the schedule is due that is looked at first.
SELECT due_at_ms
FROM schedules
WHERE due_at_ms IS NOT NULL
ORDER BY due_at_ms
LIMIT 1
