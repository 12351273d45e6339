-- Writes tickets, if the leadership is still in this epoch.
INSERT INTO tickets (id, queue, kind, ids, epoch, issued_at_ms)
SELECT unhex(value ->> 'id'), value ->> 'queue', value ->> 'kind', value ->> 'ids', ?3, ?4
FROM json_each(?1)
WHERE EXISTS (SELECT 1 FROM leaders WHERE name = ?2 AND epoch = ?3 AND expires_at_ms > ?4)
