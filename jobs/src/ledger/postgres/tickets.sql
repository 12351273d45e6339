-- Tickets that wait for a worker of these queues that knows their kinds, oldest first.
SELECT id, queue, kind, ids
FROM tickets
WHERE queue = ANY ($1::text[])
  AND kind = ANY ($2::text[])
ORDER BY issued_at_ms, id
LIMIT $3
