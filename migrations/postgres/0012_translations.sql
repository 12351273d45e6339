-- What translation.translate was told, so that the same text is not paid for twice: per tenant, by the hash of everything that changes the
-- answer. And how many bytes a tenant has there: the longest unused go when it has too many.

CREATE TABLE translation_rooms (
    tenant text   COLLATE "C" NOT NULL PRIMARY KEY,
    bytes  bigint NOT NULL
);

CREATE TABLE translations (
    tenant     text   COLLATE "C" NOT NULL,
    hash       bytea  NOT NULL,
    facts      text   NOT NULL,
    bytes      bigint NOT NULL,
    used_at_ms bigint NOT NULL,
    PRIMARY KEY (tenant, hash)
);

CREATE INDEX translations_by_use ON translations (used_at_ms);
CREATE INDEX translations_by_tenant_and_use ON translations (tenant, used_at_ms, hash);
