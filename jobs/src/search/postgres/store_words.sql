-- Writes by what words new chunks are found.
INSERT INTO windrow_search.words (chunk, terms)
SELECT (value ->> 0)::bigint, string_to_array(value ->> 1, ' ')
FROM json_array_elements($1::json) AS each (value)
