-- A deleted sync of which something is remembered.
SELECT id
FROM deleted_syncs
ORDER BY id
LIMIT 1
