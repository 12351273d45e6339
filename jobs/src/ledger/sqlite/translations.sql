-- Those of these translations of the tenant that are kept, and when their use was last noted.
SELECT translations.hash, translations.facts, translations.used_at_ms
FROM (SELECT DISTINCT unhex(value) AS hash FROM json_each(?2)) AS wanted
CROSS JOIN translations ON translations.tenant = ?1 AND translations.hash = wanted.hash
