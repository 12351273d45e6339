-- Folds jobs that go into the totals, so that the accounts still balance.
INSERT INTO totals (tenant, completed, dead, cancelled)
SELECT value ->> 'tenant', value ->> 'completed', value ->> 'dead', value ->> 'cancelled'
FROM json_each(?1)
WHERE true
ON CONFLICT (tenant) DO UPDATE SET
    completed = completed + excluded.completed,
    dead = dead + excluded.dead,
    cancelled = cancelled + excluded.cancelled
