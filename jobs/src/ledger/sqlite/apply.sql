-- Writes decided changes where everything that the decision looked at still holds: the guard.
WITH change AS MATERIALIZED (
    SELECT
        unhex(value ->> 'id') AS id,
        value ->> 'seen_state' AS seen_state,
        value ->> 'seen_attempt' AS seen_attempt,
        value ->> 'seen_cancel_requested' AS seen_cancel_requested,
        value ->> 'seen_lease_until_ms' AS seen_lease_until_ms,
        value ->> 'state' AS state,
        value ->> 'delay_ms' AS delay_ms,
        value ->> 'forgiven' AS forgiven,
        value ->> 'crashes' AS crashes,
        value ->> 'cancel_requested' AS cancel_requested,
        value ->> 'lifts_deadline' AS lifts_deadline,
        value ->> 'finished' AS finished,
        value ->> 'has_verdict' AS has_verdict,
        value ->> 'outcome' AS outcome,
        value ->> 'reason' AS reason,
        value ->> 'error' AS error,
        value ->> 'result' AS result
    FROM json_each(?1)
)
UPDATE jobs
SET
    state = change.state,
    run_at_ms = iif(change.delay_ms IS NULL, jobs.run_at_ms, ?2 + change.delay_ms),
    forgiven = change.forgiven,
    crashes = change.crashes,
    cancel_requested = change.cancel_requested,
    deadline_at_ms = iif(change.lifts_deadline, NULL, jobs.deadline_at_ms),
    finished_at_ms = iif(change.finished, ?2, NULL),
    lease_until_ms = iif(change.state = 2, jobs.lease_until_ms, NULL),
    outcome = iif(change.has_verdict, change.outcome, jobs.outcome),
    reason = iif(change.has_verdict, change.reason, jobs.reason),
    error = iif(change.has_verdict, change.error, jobs.error),
    result = iif(change.has_verdict, change.result, jobs.result)
FROM change
WHERE jobs.id = change.id
  AND jobs.state IS change.seen_state
  AND jobs.attempt = change.seen_attempt
  AND jobs.cancel_requested = change.seen_cancel_requested
  AND (change.seen_lease_until_ms IS NULL OR jobs.lease_until_ms = change.seen_lease_until_ms)
  AND (?3 IS NULL OR jobs.tenant = ?3)
RETURNING jobs.id, jobs.tenant, jobs.queue, jobs.kind, jobs.priority, jobs.attempt, jobs.run_at_ms, jobs.deadline_at_ms, jobs.unique_key
