-- Every lane with live jobs, one index seek each.
WITH RECURSIVE lane (queue, tenant) AS (
    SELECT queue, tenant
    FROM (SELECT queue, tenant FROM jobs WHERE finished_at_ms IS NULL ORDER BY queue, tenant LIMIT 1)
    UNION ALL
    SELECT jobs.queue, jobs.tenant
    FROM lane
    JOIN jobs ON jobs.rowid = (
        SELECT next.rowid
        FROM jobs AS next
        WHERE next.finished_at_ms IS NULL
          AND (next.queue, next.tenant) > (lane.queue, lane.tenant)
        ORDER BY next.queue, next.tenant
        LIMIT 1
    )
)
SELECT queue, tenant
FROM lane
