-- Forgets a deleted sync of which nothing is remembered.
DELETE FROM deleted_syncs
WHERE id = ?1
