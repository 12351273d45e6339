-- Every lane with live jobs, found by skipping from one to the next.
WITH RECURSIVE lane AS (
    (SELECT queue, tenant FROM jobs ORDER BY queue, tenant LIMIT 1)
    UNION ALL
    SELECT next.queue, next.tenant
    FROM lane
    CROSS JOIN LATERAL (
        SELECT jobs.queue, jobs.tenant
        FROM jobs
        WHERE (jobs.queue, jobs.tenant) > (lane.queue, lane.tenant)
        ORDER BY jobs.queue, jobs.tenant
        LIMIT 1
    ) AS next
)
SELECT queue, tenant
FROM lane
WHERE EXISTS (
    SELECT
    FROM jobs
    WHERE jobs.queue = lane.queue
      AND jobs.tenant = lane.tenant
      AND jobs.finished_at_ms IS NULL
)
ORDER BY queue, tenant
