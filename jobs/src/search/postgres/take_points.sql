-- Takes points off the list of what is to go, as somebody has them now; not those that are going already.
DELETE FROM windrow_search.loose
WHERE is_doomed = 0
  AND point IN (SELECT decode(value, 'hex') FROM json_array_elements_text($1::json) AS each (value))
