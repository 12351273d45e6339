-- Takes the oldest feed rows of a stretch off, whatever their order of commit: a queue, not a cursor.
DELETE FROM feed
WHERE seq = ANY (ARRAY (SELECT seq FROM feed WHERE seq > $2 AND seq <= $3 ORDER BY seq LIMIT $1 FOR UPDATE SKIP LOCKED))
RETURNING seq, at_ms, events
