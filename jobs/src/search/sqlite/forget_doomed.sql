-- Forgets points that are gone.
DELETE FROM loose
WHERE is_doomed = 1
  AND point IN (SELECT unhex(value) FROM json_each(?1))
