-- Keeps log lines of running attempts.
INSERT INTO logs (job_id, attempt, lines, dropped)
SELECT jobs.id, jobs.attempt, note.lines, note.dropped
FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::integer[]) WITH ORDINALITY AS note (id, attempt, lines, dropped, place)
JOIN jobs ON jobs.id = note.id
WHERE jobs.state IS NOT DISTINCT FROM 2
  AND jobs.attempt = note.attempt
ORDER BY note.place
