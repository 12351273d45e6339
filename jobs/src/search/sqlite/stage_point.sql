-- Keeps the point of a vector until its document is complete; one that is there stays, for longer. Tells which is there.
INSERT INTO staged (generation, hash, point, staged_at_ms)
VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (generation, hash) DO UPDATE SET staged_at_ms = excluded.staged_at_ms
RETURNING point
