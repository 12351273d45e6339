-- WhatsApp's approved templates, as Meta told of them when a connection was last synced, or by its hook since (as_of_ms). They go with
-- the connection.

CREATE TABLE approved_syncs (
    connection   uuid   NOT NULL PRIMARY KEY REFERENCES connections (id) ON DELETE CASCADE,
    tenant       text   NOT NULL,
    synced_at_ms bigint NOT NULL
);

CREATE TABLE approved_templates (
    connection   uuid   NOT NULL REFERENCES approved_syncs (connection) ON DELETE CASCADE,
    name         text   COLLATE "C" NOT NULL,
    language     text   COLLATE "C" NOT NULL,
    status       text   NOT NULL,
    facts        text   NOT NULL,
    as_of_ms     bigint NOT NULL,
    PRIMARY KEY (connection, name, language)
);
