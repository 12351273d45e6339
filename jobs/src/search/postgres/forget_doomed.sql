-- Forgets points that are gone.
DELETE FROM windrow_search.loose
WHERE is_doomed = 1
  AND point IN (SELECT decode(value, 'hex') FROM json_array_elements_text($1::json) AS each (value))
