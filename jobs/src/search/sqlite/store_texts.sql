-- Writes what is shown of chunks, and their words in their order, by which they are scored.
INSERT INTO texts (chunk, text, heading, source, tokens, words)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5
FROM json_each(?1)
WHERE true
ON CONFLICT (chunk) DO UPDATE
SET text = excluded.text, heading = excluded.heading, source = excluded.source, tokens = excluded.tokens
