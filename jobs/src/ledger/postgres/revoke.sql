-- Takes tickets back.
DELETE FROM tickets
WHERE id = ANY ($1::uuid[])
RETURNING id
