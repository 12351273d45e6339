-- Writes points on the list of what is to go that neither a chunk has any more nor what is staged.
INSERT INTO loose (point, dimension, due_ms, is_doomed)
SELECT told.point, g.settings ->> '$.model.dimension', ?2, 0
FROM (SELECT value ->> 0 AS generation, unhex(value ->> 1) AS point FROM json_each(?1)) AS told
JOIN generations AS g ON g.number = told.generation
WHERE NOT EXISTS (SELECT 1 FROM chunks AS c WHERE c.point = told.point)
  AND NOT EXISTS (SELECT 1 FROM staged AS s WHERE s.point = told.point)
ON CONFLICT (point) DO NOTHING
