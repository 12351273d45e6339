-- Queued fires whose wait is over.
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
FROM unnest(
    $1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::bigint[], $8::bigint[], $9::bigint[], $10::boolean[]
) AS settled (schedule_id, fire_at_ms, status, reason, message, job_id, n, decided_at_ms, late_ms, is_open)
WHERE fires.schedule_id = settled.schedule_id
  AND fires.fire_at_ms = settled.fire_at_ms
