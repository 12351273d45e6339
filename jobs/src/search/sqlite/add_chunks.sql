-- Adds chunks to a document whose index is held, with the vectors that are staged or that other chunks have, wherever these lie.
INSERT INTO chunks (generation, document, n, hash, facts, words, embedding, point)
SELECT
    ?1,
    ?2,
    told.n,
    told.hash,
    told.facts,
    told.words,
    CASE
        WHEN EXISTS (SELECT 1 FROM staged AS s WHERE s.generation = ?1 AND s.hash = told.hash)
        THEN (SELECT embedding FROM staged AS s WHERE s.generation = ?1 AND s.hash = told.hash)
        ELSE (SELECT embedding FROM chunks AS c WHERE c.generation = ?1 AND c.hash = told.hash LIMIT 1)
    END,
    CASE
        WHEN EXISTS (SELECT 1 FROM staged AS s WHERE s.generation = ?1 AND s.hash = told.hash)
        THEN (SELECT point FROM staged AS s WHERE s.generation = ?1 AND s.hash = told.hash)
        ELSE (SELECT point FROM chunks AS c WHERE c.generation = ?1 AND c.hash = told.hash LIMIT 1)
    END
FROM (
    SELECT value ->> 0 AS n, unhex(value ->> 1) AS hash, unhex(value ->> 2) AS facts, value ->> 3 AS words
    FROM json_each(?3)
) AS told
RETURNING id, n
