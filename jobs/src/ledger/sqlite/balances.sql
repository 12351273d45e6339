-- Both sides of the conservation law: what was accepted, and what there is of it.
SELECT
    tenants.tenant AS tenant,
    coalesce((SELECT accepted FROM intake WHERE intake.tenant = tenants.tenant), 0) AS accepted,
    coalesce(counted.completed, 0) + coalesce(totals.completed, 0) AS completed,
    coalesce(counted.dead, 0) + coalesce(totals.dead, 0) AS dead,
    coalesce(counted.cancelled, 0) + coalesce(totals.cancelled, 0) AS cancelled,
    coalesce(counted.live, 0) AS live,
    coalesce(totals.completed + totals.dead + totals.cancelled, 0) AS pruned,
    coalesce((SELECT sum(outcomes.completed) FROM outcomes WHERE outcomes.tenant = tenants.tenant), 0) AS counted_completed,
    coalesce((SELECT sum(outcomes.dead) FROM outcomes WHERE outcomes.tenant = tenants.tenant), 0) AS counted_dead,
    coalesce((SELECT sum(outcomes.cancelled) FROM outcomes WHERE outcomes.tenant = tenants.tenant), 0) AS counted_cancelled
FROM (
    SELECT tenant FROM intake
    UNION
    SELECT tenant FROM jobs
    UNION
    SELECT tenant FROM totals
    UNION
    SELECT tenant FROM outcomes
) AS tenants
LEFT JOIN (
    SELECT
        tenant,
        sum(state = 5) AS completed,
        sum(state = 6) AS dead,
        sum(state = 7) AS cancelled,
        sum(state < 5) AS live
    FROM jobs
    GROUP BY tenant
) AS counted ON counted.tenant = tenants.tenant
LEFT JOIN totals ON totals.tenant = tenants.tenant
ORDER BY tenants.tenant
