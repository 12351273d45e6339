-- Old jobs in the order of their ids; what they are and when they finished decides what goes.
SELECT id, tenant, state, finished_at_ms
FROM jobs
WHERE id > $1
ORDER BY id
LIMIT $2
