-- Deletes a sync that is held.
DELETE FROM syncs
WHERE id = $1
