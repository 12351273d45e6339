-- Which of these endings, by their place, stand there already: written by a settle whose answer was lost. The outcome
-- tells them from what befell the job later, without an attempt: a cancel while it waited, a deadline.
SELECT change.key
FROM json_each(?1) AS change
CROSS JOIN jobs ON jobs.id = unhex(change.value ->> 'id')
WHERE jobs.attempt = change.value ->> 'seen_attempt'
  AND jobs.state = change.value ->> 'state'
  AND jobs.outcome = change.value ->> 'outcome'
  AND jobs.finished_at_ms IS NOT NULL
