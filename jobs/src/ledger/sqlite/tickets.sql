-- Tickets that wait for a worker of these queues that knows their kinds, oldest first.
SELECT id, queue, kind, ids
FROM tickets
WHERE queue IN (SELECT value FROM json_each(?1))
  AND kind IN (SELECT value FROM json_each(?2))
ORDER BY issued_at_ms, id
LIMIT ?3
