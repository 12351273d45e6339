-- Adds chunks to a document whose index is held, with the vectors that are staged or that other chunks have, wherever these lie.
INSERT INTO windrow_search.chunks (generation, document, n, hash, facts, words, embedding, point)
SELECT
    $1,
    $2,
    told.n,
    told.hash,
    told.facts,
    told.words,
    CASE
        WHEN EXISTS (SELECT 1 FROM windrow_search.staged AS s WHERE s.generation = $1 AND s.hash = told.hash)
        THEN (SELECT embedding FROM windrow_search.staged AS s WHERE s.generation = $1 AND s.hash = told.hash)
        ELSE (SELECT embedding FROM windrow_search.chunks AS c WHERE c.generation = $1 AND c.hash = told.hash LIMIT 1)
    END,
    CASE
        WHEN EXISTS (SELECT 1 FROM windrow_search.staged AS s WHERE s.generation = $1 AND s.hash = told.hash)
        THEN (SELECT point FROM windrow_search.staged AS s WHERE s.generation = $1 AND s.hash = told.hash)
        ELSE (SELECT point FROM windrow_search.chunks AS c WHERE c.generation = $1 AND c.hash = told.hash LIMIT 1)
    END
FROM (
    SELECT (value ->> 0)::bigint AS n, decode(value ->> 1, 'hex') AS hash, decode(value ->> 2, 'hex') AS facts, (value ->> 3)::bigint AS words
    FROM json_array_elements($3::json) AS each (value)
) AS told
RETURNING id, n
