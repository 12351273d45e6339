-- Where schedules stand after a decision; their rows are held.
UPDATE schedules
SET
    next_fire_at_ms = moved.next_fire_at_ms,
    last_fire_at_ms = moved.last_fire_at_ms,
    due_at_ms = moved.due_at_ms,
    jobs_made = moved.jobs_made
FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[]) AS moved (id, next_fire_at_ms, last_fire_at_ms, due_at_ms, jobs_made)
WHERE schedules.id = moved.id
