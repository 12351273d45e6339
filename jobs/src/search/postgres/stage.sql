-- Keeps a vector until its document is complete; one that is there stays, for longer.
INSERT INTO windrow_search.staged (generation, hash, embedding, staged_at_ms)
VALUES ($1, $2, $3::real[]::vector, $4)
ON CONFLICT (generation, hash) DO UPDATE SET staged_at_ms = excluded.staged_at_ms
