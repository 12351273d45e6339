-- Keeps what running handlers say of themselves.
WITH note AS MATERIALIZED (
    SELECT
        unhex(value ->> 'id') AS id,
        value ->> 'attempt' AS attempt,
        value ->> 'progress' AS progress,
        value ->> 'checkpoint' AS checkpoint
    FROM json_each(?1)
)
UPDATE jobs
SET
    progress = coalesce(note.progress, jobs.progress),
    checkpoint = coalesce(note.checkpoint, jobs.checkpoint)
FROM note
WHERE jobs.id = note.id
  AND jobs.state IS 2
  AND jobs.attempt = note.attempt
