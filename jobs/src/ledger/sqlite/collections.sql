-- Names of a tenant's collections, each found by one look into the index.
WITH RECURSIVE names (name) AS (
    SELECT min(collection)
    FROM records
    WHERE tenant = ?1
      AND collection > ?2
    UNION ALL
    SELECT (SELECT min(collection) FROM records WHERE tenant = ?1 AND collection > names.name)
    FROM names
    WHERE names.name IS NOT NULL
)
SELECT name
FROM names
WHERE name IS NOT NULL
LIMIT ?3
