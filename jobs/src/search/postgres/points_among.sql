-- The points of some documents' chunks.
SELECT point
FROM windrow_search.chunks
WHERE document IN (SELECT value::bigint FROM json_array_elements_text($2::json) AS each (value))
  AND generation = $1
  AND point IS NOT NULL
LIMIT $3
