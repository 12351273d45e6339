-- Wordings: what templates of notifications say, by language. What a version says never changes; a head outlives its versions, so
-- that no number is given twice.

CREATE TABLE wordings (
    tenant        TEXT    NOT NULL,
    name          TEXT    NOT NULL,
    locale        TEXT    NOT NULL,
    version       INTEGER NOT NULL,
    content       TEXT    NOT NULL,
    needs         TEXT    NOT NULL,
    created_at_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, name, locale, version)
) STRICT;

CREATE TABLE wording_heads (
    tenant        TEXT    NOT NULL,
    name          TEXT    NOT NULL,
    locale        TEXT    NOT NULL,
    version       INTEGER NOT NULL,
    is_live       INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL,
    updated_at_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, name, locale)
) STRICT;

CREATE TABLE default_locales (
    tenant TEXT NOT NULL PRIMARY KEY,
    locale TEXT NOT NULL
) STRICT;
