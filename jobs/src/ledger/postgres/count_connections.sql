-- How many connections the tenant has.
SELECT count(*)
FROM connections
WHERE tenant = $1
