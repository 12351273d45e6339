-- For how long the oldest ticket of each of these queues has waited for a worker that knows its kind.
SELECT queue, ?1 - min(issued_at_ms) AS age_ms
FROM tickets
WHERE queue IN (SELECT value FROM json_each(?2))
  AND kind IN (SELECT value FROM json_each(?3))
GROUP BY queue
ORDER BY queue
