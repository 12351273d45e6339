-- Keeps a version of a template's words; its head is held.
INSERT INTO wordings (tenant, name, locale, version, content, needs, created_at_ms)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
