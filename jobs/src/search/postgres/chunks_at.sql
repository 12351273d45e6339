-- The chunks of a generation whose vectors these points are: nobody else's. Each is looked up by itself: by a plan of all at once each would be
-- compared with the whole generation, as long as nothing is known of a table that was just filled.
SELECT c.id, d.document_id, c.n, c.document, c.point
FROM (SELECT decode(value, 'hex') AS point FROM json_array_elements_text($2::json) AS each (value)) AS told
CROSS JOIN LATERAL (
    SELECT id, generation, document, n, point
    FROM windrow_search.chunks
    WHERE point = told.point
    OFFSET 0
) AS c
JOIN windrow_search.documents AS d ON d.id = c.document
WHERE c.generation = $1
