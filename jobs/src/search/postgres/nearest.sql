-- The chunks of a generation whose vectors are nearest, of all that it has.
SELECT c.id, d.document_id, c.n, c.distance
FROM (
    SELECT id, document, n, embedding <=> $2::real[]::vector AS distance
    FROM windrow_search.chunks
    WHERE generation = $1
      AND embedding IS NOT NULL
    ORDER BY distance, id
    LIMIT $3
) AS c
JOIN windrow_search.documents AS d ON d.id = c.document
