-- How many syncs the tenant has.
SELECT count(*)
FROM syncs
WHERE tenant = ?1
