-- available -> running, for the first $4 of the ids that are still available at the attempt the planner saw.
WITH clock AS MATERIALIZED (
    SELECT coalesce($1::bigint, (extract(epoch FROM clock_timestamp()) * 1000)::bigint) AS now_ms
),
wanted AS MATERIALIZED (
    SELECT jobs.id
    FROM unnest($2::uuid[], $3::integer[]) WITH ORDINALITY AS ticket (id, attempt, place)
    JOIN jobs ON jobs.id = ticket.id
    WHERE jobs.state IS NOT DISTINCT FROM 1
      AND jobs.attempt = ticket.attempt
      AND NOT jobs.cancel_requested
    ORDER BY ticket.place
    LIMIT $4
    FOR UPDATE OF jobs
)
UPDATE jobs
SET
    state = 2,
    attempt = attempt + 1,
    worker = $5,
    started_at_ms = clock.now_ms,
    lease_until_ms = clock.now_ms + $6::bigint,
    outcome = NULL,
    reason = NULL,
    progress = NULL
FROM clock
WHERE id = ANY (ARRAY (SELECT id FROM wanted))
RETURNING
    id, tenant, queue, kind, contract_version, attempt, forgiven, crashes, max_attempts, run_at_ms, lease_until_ms, deadline_at_ms,
    payload, checkpoint, clock.now_ms AS claimed_at_ms
