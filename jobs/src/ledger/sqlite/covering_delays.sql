-- Which of these delayed rows are there.
SELECT delayed.bucket, delayed.due_at_ms, delayed.id
FROM json_each(?1) AS wanted
CROSS JOIN delayed
    ON delayed.bucket = wanted.value ->> 'bucket'
    AND delayed.due_at_ms = wanted.value ->> 'due_at_ms'
    AND delayed.id = unhex(wanted.value ->> 'id')
