-- Where schedules stand after a decision.
WITH moved AS MATERIALIZED (
    SELECT
        unhex(value ->> 'id') AS id,
        value ->> 'next_fire_at_ms' AS next_fire_at_ms,
        value ->> 'last_fire_at_ms' AS last_fire_at_ms,
        value ->> 'due_at_ms' AS due_at_ms,
        value ->> 'jobs_made' AS jobs_made
    FROM json_each(?1)
)
UPDATE schedules
SET
    next_fire_at_ms = moved.next_fire_at_ms,
    last_fire_at_ms = moved.last_fire_at_ms,
    due_at_ms = moved.due_at_ms,
    jobs_made = moved.jobs_made
FROM moved
WHERE schedules.id = moved.id
