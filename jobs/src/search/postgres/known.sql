-- Which of these hashes have a vector in a generation.
SELECT hash
FROM (SELECT decode(value, 'hex') AS hash FROM json_array_elements_text($2::json) AS each (value)) AS told
WHERE EXISTS (SELECT 1 FROM windrow_search.chunks AS c WHERE c.generation = $1 AND c.hash = told.hash)
   OR EXISTS (SELECT 1 FROM windrow_search.staged AS s WHERE s.generation = $1 AND s.hash = told.hash)
