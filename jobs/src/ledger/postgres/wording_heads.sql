-- The tenant's templates by name and language, after this one.
SELECT name, locale, version, is_live, created_at_ms, updated_at_ms
FROM wording_heads
WHERE tenant = $1
  AND (name, locale) > ($2, $3)
  AND is_live
ORDER BY name, locale
LIMIT $4
