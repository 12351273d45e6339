-- Vectors that somebody asks for stay for longer.
UPDATE staged
SET staged_at_ms = ?3
WHERE generation = ?1
  AND hash IN (SELECT unhex(value) FROM json_each(?2))
RETURNING hash
