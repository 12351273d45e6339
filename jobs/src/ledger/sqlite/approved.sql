-- A connection's templates of one name, by language; by the primary key.
SELECT status, facts
FROM approved_templates
WHERE connection = ?1
  AND name = ?2
ORDER BY language
