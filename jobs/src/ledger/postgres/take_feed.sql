-- Takes the oldest feed rows off, whatever their order of commit: a queue, not a cursor.
DELETE FROM feed
WHERE seq = ANY (ARRAY (SELECT seq FROM feed WHERE seq > $2 ORDER BY seq LIMIT $1 FOR UPDATE SKIP LOCKED))
RETURNING seq, events
