-- Writes points on the list of what is to go that neither a chunk has any more nor what is staged.
INSERT INTO windrow_search.loose (point, dimension, due_ms, is_doomed)
SELECT told.point, (g.settings::json -> 'model' ->> 'dimension')::bigint, $2, 0
FROM (
    SELECT (value ->> 0)::bigint AS generation, decode(value ->> 1, 'hex') AS point
    FROM json_array_elements($1::json) AS each (value)
) AS told
JOIN windrow_search.generations AS g ON g.number = told.generation
WHERE NOT EXISTS (SELECT 1 FROM windrow_search.chunks AS c WHERE c.point = told.point)
  AND NOT EXISTS (SELECT 1 FROM windrow_search.staged AS s WHERE s.point = told.point)
ON CONFLICT (point) DO NOTHING
