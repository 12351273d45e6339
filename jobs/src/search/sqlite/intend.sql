-- Writes down points before they are there, with the instant from which on nobody waits for them.
INSERT INTO loose (point, dimension, due_ms, is_doomed)
SELECT unhex(value), ?2, ?3, 0
FROM json_each(?1)
