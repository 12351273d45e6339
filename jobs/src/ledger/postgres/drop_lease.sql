-- Forgets leases none of whose jobs is still running with its lease run out.
DELETE FROM leases
WHERE id = ANY ($1::bigint[])
