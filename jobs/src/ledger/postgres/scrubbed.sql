-- Some jobs in the order of their ids, and what decides which side rows they must have.
SELECT id, tenant, queue, kind, state, priority, attempt, run_at_ms, deadline_at_ms, lease_until_ms
FROM jobs
WHERE id > $1
ORDER BY id
LIMIT $2
