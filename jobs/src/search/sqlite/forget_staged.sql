-- Vectors that a document has now are no longer staged.
DELETE FROM staged
WHERE generation = ?1
  AND hash IN (SELECT unhex(value) FROM json_each(?2))
RETURNING generation, point
