-- Forgets due times that were looked at.
DELETE FROM delayed
USING unnest($1::smallint[], $2::bigint[], $3::uuid[]) AS looked_at (bucket, due_at_ms, id)
WHERE delayed.bucket = looked_at.bucket
  AND delayed.due_at_ms = looked_at.due_at_ms
  AND delayed.id = looked_at.id
