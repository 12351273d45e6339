-- Forgets vectors that were staged for a generation.
DELETE FROM staged
WHERE (generation, hash) IN (SELECT generation, hash FROM staged WHERE generation = ?1 LIMIT ?2)
RETURNING generation, point
