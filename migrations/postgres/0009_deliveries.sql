-- How messages fare that were given to providers, and what providers tell of them. Room on each page of deliveries for what comes later.
CREATE TABLE deliveries (
    job_id        uuid    NOT NULL,
    key           text    COLLATE "C" NOT NULL,
    tenant        text    NOT NULL,
    connection    uuid    NOT NULL,
    provider_id   text,
    version       integer NOT NULL,
    facts         text    NOT NULL,
    created_at_ms bigint  NOT NULL,
    changed_at_ms bigint  NOT NULL,
    PRIMARY KEY (job_id, key)
) WITH (fillfactor = 70);
CREATE INDEX deliveries_provider ON deliveries (tenant, connection, provider_id) WHERE provider_id IS NOT NULL;

-- Where providers tell: one URL per connection. Of its token the hash alone is kept.
CREATE TABLE hooks (
    connection    uuid    NOT NULL PRIMARY KEY,
    tenant        text    NOT NULL,
    salt          uuid    NOT NULL,
    token         bytea   NOT NULL,
    forward_url   text,
    refused       bigint  NOT NULL,
    refused_at_ms bigint,
    created_at_ms bigint  NOT NULL,
    rotated_at_ms bigint
);
CREATE UNIQUE INDEX hooks_token ON hooks (token);

-- What was told, byte for byte. A hook is told the same once.
CREATE TABLE hook_events (
    id             uuid   NOT NULL PRIMARY KEY,
    tenant         text   NOT NULL,
    connection     uuid   NOT NULL,
    digest         bytea  NOT NULL,
    received_at_ms bigint NOT NULL,
    facts          text   NOT NULL,
    payload        bytea  NOT NULL
);
CREATE UNIQUE INDEX hook_events_digest ON hook_events (connection, digest);
CREATE INDEX hook_events_list ON hook_events (connection, id);
CREATE INDEX hook_events_age ON hook_events (received_at_ms);
