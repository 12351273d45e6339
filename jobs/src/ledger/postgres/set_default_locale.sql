-- Chooses the tenant's own language.
INSERT INTO default_locales (tenant, locale)
VALUES ($1, $2)
ON CONFLICT (tenant) DO UPDATE SET locale = excluded.locale
