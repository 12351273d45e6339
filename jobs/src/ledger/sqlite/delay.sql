-- Says when to look at jobs again.
INSERT INTO delayed (bucket, due_at_ms, id)
SELECT value ->> 'bucket', value ->> 'due_at_ms', unhex(value ->> 'id')
FROM json_each(?1)
WHERE true
ON CONFLICT DO NOTHING
