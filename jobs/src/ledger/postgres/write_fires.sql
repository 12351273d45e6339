-- Keeps fires whose instants have no row yet.
INSERT INTO fires (schedule_id, fire_at_ms, status, manual, reason, message, job_id, n, decided_at_ms, late_ms, is_open)
SELECT *
FROM unnest(
    $1::uuid[], $2::bigint[], $3::text[], $4::boolean[], $5::text[], $6::text[], $7::uuid[], $8::bigint[], $9::bigint[], $10::bigint[],
    $11::boolean[]
)
ON CONFLICT (schedule_id, fire_at_ms) DO NOTHING
RETURNING schedule_id, fire_at_ms
