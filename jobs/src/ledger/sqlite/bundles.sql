-- The tenant's bundles by name, each with its versions; SQLite takes the description from the row with the greatest time.
SELECT name, json_group_array(version) AS versions, description, max(published_at_ms) AS published_at_ms
FROM bundles
WHERE tenant = ?1
  AND role = ?2
  AND name > ?3
GROUP BY name
ORDER BY name
LIMIT ?4
