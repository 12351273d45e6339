-- The chunks of a generation whose vectors these points are: nobody else's.
SELECT c.id, d.document_id, c.n, c.document, c.point
FROM (SELECT decode(value, 'hex') AS point FROM json_array_elements_text($2::json) AS each (value)) AS told
JOIN windrow_search.chunks AS c ON c.point = told.point
JOIN windrow_search.documents AS d ON d.id = c.document
WHERE c.generation = $1
