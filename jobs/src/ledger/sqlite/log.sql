-- Keeps log lines of running attempts.
INSERT INTO logs (job_id, attempt, lines, dropped)
SELECT jobs.id, jobs.attempt, note.value ->> 'lines', note.value ->> 'dropped'
FROM json_each(?1) AS note
CROSS JOIN jobs ON jobs.id = unhex(note.value ->> 'id')
WHERE jobs.state = 2
  AND jobs.attempt = note.value ->> 'attempt'
ORDER BY note.key
