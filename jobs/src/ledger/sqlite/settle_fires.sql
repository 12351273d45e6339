-- Queued fires whose wait is over.
WITH settled AS MATERIALIZED (
    SELECT
        unhex(value ->> 'schedule_id') AS schedule_id,
        value ->> 'fire_at_ms' AS fire_at_ms,
        value ->> 'status' AS status,
        value ->> 'reason' AS reason,
        value ->> 'message' AS message,
        unhex(value ->> 'job_id') AS job_id,
        value ->> 'n' AS n,
        value ->> 'decided_at_ms' AS decided_at_ms,
        value ->> 'late_ms' AS late_ms,
        value ->> 'is_open' AS is_open
    FROM json_each(?1)
)
UPDATE fires
SET
    status = settled.status,
    reason = settled.reason,
    message = settled.message,
    job_id = settled.job_id,
    n = settled.n,
    decided_at_ms = settled.decided_at_ms,
    late_ms = settled.late_ms,
    is_open = settled.is_open
FROM settled
WHERE fires.schedule_id = settled.schedule_id
  AND fires.fire_at_ms = settled.fire_at_ms
