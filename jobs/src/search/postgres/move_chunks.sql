-- Says where chunks that stay are in their document, and what is shown of them.
UPDATE windrow_search.chunks AS chunks
SET n = told.n, facts = told.facts
FROM (SELECT (value ->> 0)::bigint AS id, (value ->> 1)::bigint AS n, decode(value ->> 2, 'hex') AS facts FROM json_array_elements($1::json) AS each (value)) AS told
WHERE chunks.id = told.id
