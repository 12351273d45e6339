-- Forgets so many values of a look-up field.
DELETE FROM record_values
WHERE ctid = ANY (ARRAY (
    SELECT ctid
    FROM record_values
    WHERE tenant = $1
      AND collection = $2
      AND field = $3
    ORDER BY value, key
    LIMIT $4
))
