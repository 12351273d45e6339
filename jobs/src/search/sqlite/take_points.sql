-- Takes points off the list of what is to go, as somebody has them now; not those that are going already.
DELETE FROM loose
WHERE is_doomed = 0
  AND point IN (SELECT unhex(value) FROM json_each(?1))
