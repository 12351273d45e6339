-- Takes a worker off the list.
DELETE FROM workers
WHERE id = $1
