-- Vectors that somebody asks for stay for longer.
UPDATE windrow_search.staged
SET staged_at_ms = $3
WHERE generation = $1
  AND hash IN (SELECT decode(value, 'hex') FROM json_array_elements_text($2::json) AS each (value))
RETURNING hash
