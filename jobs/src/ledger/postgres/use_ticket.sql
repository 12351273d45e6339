-- Uses a ticket up. Exactly one of claim, revoke and take-over finds it.
DELETE FROM tickets
WHERE id = $1
RETURNING id
