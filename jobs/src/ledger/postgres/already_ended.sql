-- Which of these endings, by their place, stand there already: written by a settle whose answer was lost.
SELECT change.place - 1
FROM unnest($1::uuid[], $2::integer[], $3::smallint[]) WITH ORDINALITY AS change (id, seen_attempt, state, place)
JOIN jobs ON jobs.id = change.id
WHERE jobs.attempt = change.seen_attempt
  AND jobs.state IS NOT DISTINCT FROM change.state
  AND jobs.finished_at_ms IS NOT NULL
