-- Folds jobs that went into the totals, so that the accounts still balance.
INSERT INTO totals (tenant, completed, dead, cancelled)
SELECT *
FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[])
ON CONFLICT (tenant) DO UPDATE SET
    completed = totals.completed + excluded.completed,
    dead = totals.dead + excluded.dead,
    cancelled = totals.cancelled + excluded.cancelled
