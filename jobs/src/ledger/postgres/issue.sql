-- Writes tickets, if the leadership is still in this epoch.
INSERT INTO tickets (id, queue, kind, ids, epoch, issued_at_ms)
SELECT given.id, given.queue, given.kind, given.ids, $3, clock.now_ms
FROM unnest($4::uuid[], $5::text[], $6::text[], $7::text[]) AS given (id, queue, kind, ids),
    (SELECT coalesce($1::bigint, (extract(epoch FROM clock_timestamp()) * 1000)::bigint) AS now_ms) AS clock
WHERE EXISTS (SELECT FROM leaders WHERE name = $2 AND epoch = $3 AND expires_at_ms > clock.now_ms)
