-- The chunks of a generation whose vectors are nearest, of all that it has.
SELECT c.id, d.document_id, c.n, c.distance
FROM (
    SELECT id, document, n, vec_distance_cosine(embedding, ?2) AS distance
    FROM chunks INDEXED BY chunks_generation
    WHERE generation = ?1
      AND embedding IS NOT NULL
    ORDER BY distance, id
    LIMIT ?3
) AS c
JOIN documents AS d ON d.id = c.document
