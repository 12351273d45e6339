-- How messages fare that were given to providers, and what providers tell of them.
CREATE TABLE deliveries (
    job_id        BLOB    NOT NULL,
    key           TEXT    NOT NULL,
    tenant        TEXT    NOT NULL,
    connection    BLOB    NOT NULL,
    provider_id   TEXT,
    version       INTEGER NOT NULL,
    facts         TEXT    NOT NULL,
    created_at_ms INTEGER NOT NULL,
    changed_at_ms INTEGER NOT NULL,
    PRIMARY KEY (job_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_provider ON deliveries (tenant, connection, provider_id) WHERE provider_id IS NOT NULL;

-- Where providers tell: one URL per connection. Of its token the hash alone is kept.
CREATE TABLE hooks (
    connection    BLOB    NOT NULL PRIMARY KEY,
    tenant        TEXT    NOT NULL,
    salt          BLOB    NOT NULL,
    token         BLOB    NOT NULL,
    forward_url   TEXT,
    refused       INTEGER NOT NULL,
    refused_at_ms INTEGER,
    created_at_ms INTEGER NOT NULL,
    rotated_at_ms INTEGER
) STRICT;
CREATE UNIQUE INDEX hooks_token ON hooks (token);

-- What was told, byte for byte. A hook is told the same once.
CREATE TABLE hook_events (
    id             BLOB    NOT NULL PRIMARY KEY,
    tenant         TEXT    NOT NULL,
    connection     BLOB    NOT NULL,
    digest         BLOB    NOT NULL,
    received_at_ms INTEGER NOT NULL,
    facts          TEXT    NOT NULL,
    payload        BLOB    NOT NULL
) STRICT;
CREATE UNIQUE INDEX hook_events_digest ON hook_events (connection, digest);
CREATE INDEX hook_events_list ON hook_events (connection, id);
CREATE INDEX hook_events_age ON hook_events (received_at_ms);
