-- Writes down points before they are there, with the instant from which on nobody waits for them.
INSERT INTO windrow_search.loose (point, dimension, due_ms, is_doomed)
SELECT decode(value, 'hex'), $2, $3, 0
FROM json_array_elements_text($1::json) AS each (value)
