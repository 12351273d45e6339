-- Keeps fires whose instants have no row yet.
INSERT INTO fires (schedule_id, fire_at_ms, status, manual, reason, message, job_id, n, decided_at_ms, late_ms, is_open)
SELECT
    unhex(value ->> 'schedule_id'),
    value ->> 'fire_at_ms',
    value ->> 'status',
    value ->> 'manual',
    value ->> 'reason',
    value ->> 'message',
    unhex(value ->> 'job_id'),
    value ->> 'n',
    value ->> 'decided_at_ms',
    value ->> 'late_ms',
    value ->> 'is_open'
FROM json_each(?1)
WHERE true
ON CONFLICT (schedule_id, fire_at_ms) DO NOTHING
RETURNING schedule_id, fire_at_ms
