-- Tenants' access to providers, and the keys that seal their secrets. Nothing here is readable without a master key but names,
-- configuration and states.

CREATE TABLE connections (
    id              BLOB    NOT NULL PRIMARY KEY,
    tenant          TEXT    NOT NULL,
    name            TEXT    NOT NULL,
    provider        TEXT    NOT NULL,
    version         INTEGER NOT NULL,
    facts           TEXT    NOT NULL,
    sealed_by       BLOB,
    sealed          BLOB,
    created_at_ms   INTEGER NOT NULL,
    updated_at_ms   INTEGER NOT NULL,
    tested_at_ms    INTEGER,
    erred_at_ms     INTEGER,
    last_used_at_ms INTEGER
) STRICT;
CREATE UNIQUE INDEX connections_name ON connections (tenant, name);

-- One data key per tenant, wrapped by the master key of this id. Its deletion is what makes the secrets unreadable.
CREATE TABLE tenant_keys (
    tenant          TEXT    NOT NULL PRIMARY KEY,
    id              BLOB    NOT NULL,
    wrapped         BLOB    NOT NULL,
    master          TEXT    NOT NULL,
    created_at_ms   INTEGER NOT NULL,
    wrapped_at_ms   INTEGER NOT NULL
) STRICT;
