-- Writes the tokens of a tenant's day, which are held.
UPDATE spent
SET tokens = ?3
WHERE tenant = ?1
  AND day = ?2
