-- A place in the row of calls through a connection was taken.
UPDATE connections
SET taken_until_us = $2
WHERE id = $1
