-- Which of these hashes have a vector in a generation.
SELECT hash
FROM (SELECT unhex(value) AS hash FROM json_each(?2)) AS told
WHERE EXISTS (SELECT 1 FROM chunks AS c WHERE c.generation = ?1 AND c.hash = told.hash)
   OR EXISTS (SELECT 1 FROM staged AS s WHERE s.generation = ?1 AND s.hash = told.hash)
