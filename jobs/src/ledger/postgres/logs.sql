-- A job's log in the order written.
SELECT attempt, lines, dropped
FROM logs
WHERE job_id = $1
ORDER BY id
