-- Everything that runs, found by its leases.
SELECT id, attempt, queue, tenant
FROM jobs
WHERE id IN (SELECT unhex(value) FROM json_each(?1))
  AND state = 2
