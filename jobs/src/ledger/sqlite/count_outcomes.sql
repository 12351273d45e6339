-- Counts outcomes that were accepted. One writer, so a row per tenant is no point of contention here.
INSERT INTO outcomes (tenant, completed, dead, cancelled)
SELECT key, value ->> 'completed', value ->> 'dead', value ->> 'cancelled'
FROM json_each(?1)
WHERE true
ON CONFLICT (tenant) DO UPDATE SET
    completed = completed + excluded.completed,
    dead = dead + excluded.dead,
    cancelled = cancelled + excluded.cancelled
