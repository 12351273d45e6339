-- Keeps what running handlers say of themselves.
UPDATE jobs
SET
    progress = coalesce(note.progress, jobs.progress),
    checkpoint = coalesce(note.checkpoint, jobs.checkpoint)
FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::text[]) AS note (id, attempt, progress, checkpoint)
WHERE jobs.id = note.id
  AND jobs.state IS NOT DISTINCT FROM 2
  AND jobs.attempt = note.attempt
