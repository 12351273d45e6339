-- Which of these endings, by their place, stand there already: written by a settle whose answer was lost. The outcome
-- tells them from what befell the job later, without an attempt: a cancel while it waited, a deadline.
SELECT change.place - 1
FROM unnest($1::uuid[], $2::integer[], $3::smallint[], $4::text[]) WITH ORDINALITY AS change (id, seen_attempt, state, outcome, place)
JOIN jobs ON jobs.id = change.id
WHERE jobs.attempt = change.seen_attempt
  AND jobs.state IS NOT DISTINCT FROM change.state
  AND jobs.outcome = change.outcome
  AND jobs.finished_at_ms IS NOT NULL
