-- What translation.translate was told, so that the same text is not paid for twice: per tenant, by the hash of everything that changes the
-- answer. And how many bytes a tenant has there: the longest unused go when it has too many.

CREATE TABLE translation_rooms (
    tenant TEXT    NOT NULL PRIMARY KEY,
    bytes  INTEGER NOT NULL
) STRICT;

CREATE TABLE translations (
    tenant     TEXT    NOT NULL,
    hash       BLOB    NOT NULL,
    facts      TEXT    NOT NULL,
    bytes      INTEGER NOT NULL,
    used_at_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, hash)
) STRICT, WITHOUT ROWID;

CREATE INDEX translations_by_use ON translations (used_at_ms);
CREATE INDEX translations_by_tenant_and_use ON translations (tenant, used_at_ms, hash);
