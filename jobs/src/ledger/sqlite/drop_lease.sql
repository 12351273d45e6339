-- Forgets leases none of whose jobs is still running with its lease run out.
DELETE FROM leases
WHERE id IN (SELECT value FROM json_each(?1))
