-- Has chunks no longer be found by words.
DELETE FROM windrow_search.words
WHERE chunk IN (SELECT value::bigint FROM json_array_elements_text($1::json) AS each (value))
