-- Says when to look at jobs again. A row that is there already is written anew, not skipped: a promotion that has
-- looked at it may be about to delete it.
INSERT INTO delayed (bucket, due_at_ms, id)
SELECT *
FROM unnest($1::smallint[], $2::bigint[], $3::uuid[])
ON CONFLICT (bucket, due_at_ms, id) DO UPDATE SET due_at_ms = excluded.due_at_ms
