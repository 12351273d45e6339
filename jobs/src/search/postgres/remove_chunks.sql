-- Removes chunks.
DELETE FROM windrow_search.chunks
WHERE id IN (SELECT value::bigint FROM json_array_elements_text($1::json) AS each (value))
RETURNING generation, point
