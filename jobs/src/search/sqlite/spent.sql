-- Tokens of a tenant's day.
SELECT tokens
FROM spent
WHERE tenant = ?1
  AND day = ?2
