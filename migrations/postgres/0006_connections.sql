-- Tenants' access to providers, and the keys that seal their secrets. Nothing here is readable without a master key but names,
-- configuration and states.

CREATE TABLE connections (
    id              uuid    NOT NULL PRIMARY KEY,
    tenant          text    NOT NULL,
    name            text    COLLATE "C" NOT NULL,
    provider        text    NOT NULL,
    version         integer NOT NULL,
    facts           text    NOT NULL,
    sealed_by       uuid,
    sealed          bytea,
    created_at_ms   bigint  NOT NULL,
    updated_at_ms   bigint  NOT NULL,
    tested_at_ms    bigint,
    erred_at_ms     bigint,
    last_used_at_ms bigint
);
CREATE UNIQUE INDEX connections_name ON connections (tenant, name);

-- One data key per tenant, wrapped by the master key of this id. Its deletion is what makes the secrets unreadable.
CREATE TABLE tenant_keys (
    tenant          text    COLLATE "C" NOT NULL PRIMARY KEY,
    id              uuid    NOT NULL,
    wrapped         bytea   NOT NULL,
    master          text    NOT NULL,
    created_at_ms   bigint  NOT NULL,
    wrapped_at_ms   bigint  NOT NULL
);
