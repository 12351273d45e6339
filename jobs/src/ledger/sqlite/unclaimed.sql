-- Which of these ids are still available at these attempts, in the ticket's order: they go back to the planner.
SELECT jobs.id, jobs.attempt
FROM json_each(?1) AS ticket
CROSS JOIN jobs ON jobs.id = unhex(ticket.value ->> 0)
WHERE jobs.state = 1
  AND jobs.attempt = ticket.value ->> 1
  AND jobs.cancel_requested = 0
ORDER BY ticket.key
