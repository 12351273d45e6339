-- Removes chunks.
DELETE FROM chunks
WHERE id IN (SELECT value FROM json_each(?1))
RETURNING generation, point
