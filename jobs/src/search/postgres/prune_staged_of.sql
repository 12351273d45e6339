-- Forgets vectors that were staged for a generation.
DELETE FROM windrow_search.staged
WHERE (generation, hash) IN (SELECT generation, hash FROM windrow_search.staged WHERE generation = $1 LIMIT $2)
RETURNING generation, point
