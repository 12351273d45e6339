-- Sets the limits of a lane, or of a queue where the tenant is empty; the transaction holds the row.
UPDATE limits
SET limits = $3
WHERE queue = $1
  AND tenant = $2
