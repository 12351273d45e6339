-- The chunks of documents whose vectors are nearest, of all that these have.
SELECT c.id, d.document_id, c.n, c.distance
FROM (
    SELECT id, document, n, embedding <=> $2::real[]::vector AS distance
    FROM windrow_search.chunks
    WHERE document IN (SELECT value::bigint FROM json_array_elements_text($4::json) AS each (value))
      AND generation = $1
      AND embedding IS NOT NULL
    ORDER BY distance, id
    LIMIT $3
) AS c
JOIN windrow_search.documents AS d ON d.id = c.document
