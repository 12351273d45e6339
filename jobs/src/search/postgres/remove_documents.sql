-- Removes documents, whose chunks are gone.
DELETE FROM windrow_search.documents
WHERE id IN (SELECT value::bigint FROM json_array_elements_text($1::json) AS each (value))
