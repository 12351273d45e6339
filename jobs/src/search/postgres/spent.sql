-- Tokens of a tenant's day.
SELECT tokens
FROM windrow_search.spent
WHERE tenant = $1
  AND day = $2
