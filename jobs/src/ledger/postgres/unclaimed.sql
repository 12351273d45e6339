-- Which of these ids are still available at these attempts, in the ticket's order: they go back to the planner.
SELECT jobs.id, jobs.attempt
FROM unnest($1::uuid[], $2::integer[]) WITH ORDINALITY AS ticket (id, attempt, place)
JOIN jobs ON jobs.id = ticket.id
WHERE jobs.state IS NOT DISTINCT FROM 1
  AND jobs.attempt = ticket.attempt
  AND NOT jobs.cancel_requested
ORDER BY ticket.place
