-- For how long the oldest ticket of each of these queues has waited for a worker that knows its kind.
SELECT queue, coalesce($1::bigint, (extract(epoch FROM clock_timestamp()) * 1000)::bigint) - min(issued_at_ms) AS age_ms
FROM tickets
WHERE queue = ANY ($2::text[])
  AND kind = ANY ($3::text[])
GROUP BY queue
ORDER BY queue
