-- The chunks of a generation whose vectors these points are: nobody else's.
SELECT c.id, d.document_id, c.n, c.document, c.point
FROM (SELECT unhex(value) AS point FROM json_each(?2)) AS told
CROSS JOIN chunks AS c ON c.point = told.point
JOIN documents AS d ON d.id = c.document
WHERE c.generation = ?1
