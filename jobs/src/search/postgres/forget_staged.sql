-- Vectors that a document has now are no longer staged.
DELETE FROM windrow_search.staged
WHERE generation = $1
  AND hash IN (SELECT decode(value, 'hex') FROM json_array_elements_text($2::json) AS each (value))
RETURNING generation, point
