-- Which of these delayed rows are there.
SELECT delayed.bucket, delayed.due_at_ms, delayed.id
FROM unnest($1::smallint[], $2::bigint[], $3::uuid[]) AS wanted (bucket, due_at_ms, id)
JOIN delayed ON delayed.bucket = wanted.bucket AND delayed.due_at_ms = wanted.due_at_ms AND delayed.id = wanted.id
