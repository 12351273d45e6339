-- Forgets so many values of a look-up field.
DELETE FROM record_values
USING (
    SELECT key
    FROM record_values
    WHERE tenant = $1
      AND collection = $2
      AND field = $3
    ORDER BY value, key
    LIMIT $4
) AS old
WHERE record_values.tenant = $1
  AND record_values.collection = $2
  AND record_values.key = old.key
  AND record_values.field = $3
