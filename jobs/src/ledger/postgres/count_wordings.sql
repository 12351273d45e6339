-- How many templates in how many languages the tenant has.
SELECT count(*)
FROM wording_heads
WHERE tenant = $1
  AND is_live
