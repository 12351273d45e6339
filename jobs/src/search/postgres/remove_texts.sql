-- Removes what is shown of chunks.
DELETE FROM windrow_search.texts
WHERE chunk IN (SELECT value::bigint FROM json_array_elements_text($1::json) AS each (value))
