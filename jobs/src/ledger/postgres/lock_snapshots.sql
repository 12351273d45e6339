-- What a decision about these jobs looks at, and keeps until it is written: between a read and a write of their own, a
-- cancel and a redrive could bring back the very state, attempt and cancel flag that were read. Sorted, as every writer's
-- ids are, so that two of these wait for each other and never deadlock.
SELECT
    id, tenant, state, attempt, forgiven, crashes, max_attempts, cancel_requested, run_at_ms, deadline_at_ms, lease_until_ms
FROM jobs
WHERE id = ANY ($1::uuid[])
ORDER BY id
FOR UPDATE
