-- The tenant's bundles by name, each with its versions and the description of the one that was published last.
SELECT name, json_agg(version)::text AS versions, (array_agg(description ORDER BY published_at_ms DESC))[1] AS description,
       max(published_at_ms) AS published_at_ms
FROM bundles
WHERE tenant = $1
  AND role = $2
  AND name > $3
GROUP BY name
ORDER BY name
LIMIT $4
