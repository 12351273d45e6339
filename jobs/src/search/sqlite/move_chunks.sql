-- Says where chunks that stay are in their document, and what is shown of them.
UPDATE chunks
SET n = told.n, facts = told.facts
FROM (SELECT value ->> 0 AS id, value ->> 1 AS n, unhex(value ->> 2) AS facts FROM json_each(?1)) AS told
WHERE chunks.id = told.id
