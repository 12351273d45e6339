-- Writes the tokens of a tenant's day, which are held.
UPDATE windrow_search.spent
SET tokens = $3
WHERE tenant = $1
  AND day = $2
