-- Bundles: templates and features of apps. What is published under a version never changes.

CREATE TABLE bundles (
    tenant          TEXT    NOT NULL,
    role            TEXT    NOT NULL,
    name            TEXT    NOT NULL,
    version         TEXT    NOT NULL,
    description     TEXT    NOT NULL,
    digest          TEXT    NOT NULL,
    needs           TEXT    NOT NULL,
    manifest        TEXT    NOT NULL,
    object_key      TEXT    NOT NULL,
    bytes           INTEGER NOT NULL,
    published_at_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, role, name, version)
) STRICT;
