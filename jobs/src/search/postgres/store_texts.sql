-- Writes what is shown of chunks, and their words in their order, by which they are scored.
INSERT INTO windrow_search.texts (chunk, text, heading, source, tokens, words)
SELECT (value ->> 0)::bigint, value ->> 1, value ->> 2, value ->> 3, (value ->> 4)::bigint, value ->> 5
FROM json_array_elements($1::json) AS each (value)
WHERE true
ON CONFLICT (chunk) DO UPDATE
SET text = excluded.text, heading = excluded.heading, source = excluded.source, tokens = excluded.tokens
