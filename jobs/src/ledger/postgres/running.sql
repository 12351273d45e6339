-- Everything that runs, found by its leases.
SELECT id, attempt, queue, tenant
FROM jobs
WHERE id = ANY ($1::uuid[])
  AND state IS NOT DISTINCT FROM 2
