-- WhatsApp's approved templates, as Meta told of them when a connection was last synced, or by its hook since (as_of_ms). They go with
-- the connection.

CREATE TABLE approved_syncs (
    connection   BLOB    NOT NULL PRIMARY KEY REFERENCES connections (id) ON DELETE CASCADE,
    tenant       TEXT    NOT NULL,
    synced_at_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE approved_templates (
    connection   BLOB    NOT NULL REFERENCES approved_syncs (connection) ON DELETE CASCADE,
    name         TEXT    NOT NULL,
    language     TEXT    NOT NULL,
    status       TEXT    NOT NULL,
    facts        TEXT    NOT NULL,
    as_of_ms     INTEGER NOT NULL,
    PRIMARY KEY (connection, name, language)
) STRICT;
