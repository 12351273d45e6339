-- Takes the oldest feed rows off.
DELETE FROM feed
WHERE seq IN (SELECT seq FROM feed ORDER BY seq LIMIT ?1)
RETURNING seq, at_ms, events
