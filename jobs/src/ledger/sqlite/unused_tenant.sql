-- Whose translation was not used for longest, if for so long.
SELECT tenant
FROM translations
WHERE used_at_ms < ?1
ORDER BY used_at_ms
LIMIT 1
