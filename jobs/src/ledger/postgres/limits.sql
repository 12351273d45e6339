-- Every limit that was set.
SELECT queue, tenant, limits
FROM limits
ORDER BY queue, tenant
