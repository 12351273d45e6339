-- The chunks of documents.
SELECT id
FROM windrow_search.chunks
WHERE document IN (SELECT value::bigint FROM json_array_elements_text($1::json) AS each (value))
