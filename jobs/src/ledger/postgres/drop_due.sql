-- Forgets due times that were looked at.
DELETE FROM delayed
USING unnest($2::bigint[], $3::uuid[]) AS looked_at (due_at_ms, id)
WHERE delayed.bucket = $1
  AND delayed.due_at_ms = looked_at.due_at_ms
  AND delayed.id = looked_at.id
