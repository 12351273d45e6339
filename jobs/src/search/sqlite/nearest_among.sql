-- The chunks of documents whose vectors are nearest, of all that these have.
SELECT c.id, d.document_id, c.n, c.distance
FROM (
    SELECT id, document, n, vec_distance_cosine(embedding, ?2) AS distance
    FROM chunks INDEXED BY chunks_document
    WHERE document IN (SELECT value FROM json_each(?4))
      AND generation = ?1
      AND embedding IS NOT NULL
    ORDER BY distance, id
    LIMIT ?3
) AS c
JOIN documents AS d ON d.id = c.document
