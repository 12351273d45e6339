-- available -> running, for the first ?3 of the ids that are still available at the attempt the planner saw.
WITH wanted AS MATERIALIZED (
    SELECT jobs.id
    FROM json_each(?1) AS ticket
    CROSS JOIN jobs ON jobs.id = unhex(ticket.value ->> 0)
    WHERE jobs.state = 1
      AND jobs.attempt = ticket.value ->> 1
      AND jobs.cancel_requested = 0
    ORDER BY ticket.key
    LIMIT ?3
)
UPDATE jobs
SET
    state = 2,
    attempt = attempt + 1,
    worker = ?4,
    started_at_ms = ?2,
    lease_until_ms = ?2 + ?5,
    outcome = NULL,
    reason = NULL,
    progress = NULL
WHERE id IN (SELECT id FROM wanted)
RETURNING
    id, tenant, queue, kind, contract_version, attempt, forgiven, crashes, max_attempts, run_at_ms, lease_until_ms, deadline_at_ms,
    payload, checkpoint
