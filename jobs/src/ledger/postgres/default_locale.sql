-- The tenant's own language.
SELECT locale
FROM default_locales
WHERE tenant = $1
