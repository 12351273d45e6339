-- The words of a template in a language: this version, or the newest where none is named.
SELECT name, locale, version, content, needs, created_at_ms
FROM wordings
WHERE tenant = ?1
  AND name = ?2
  AND locale = ?3
  AND version = coalesce(?4, version)
ORDER BY version DESC
LIMIT 1
