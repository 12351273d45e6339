-- The versions of a template in a language, newest first.
SELECT version, created_at_ms
FROM wordings
WHERE tenant = ?1
  AND name = ?2
  AND locale = ?3
ORDER BY version DESC
