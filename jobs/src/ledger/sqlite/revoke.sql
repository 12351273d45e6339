-- Takes tickets back.
DELETE FROM tickets
WHERE id IN (SELECT unhex(value) FROM json_each(?1))
RETURNING id
