-- Bundles: templates and features of apps. What is published under a version never changes.

CREATE TABLE bundles (
    tenant          text   NOT NULL,
    role            text   NOT NULL,
    name            text   COLLATE "C" NOT NULL,
    version         text   NOT NULL,
    description     text   NOT NULL,
    digest          text   NOT NULL,
    needs           text   NOT NULL,
    manifest        text   NOT NULL,
    object_key      text   NOT NULL,
    bytes           bigint NOT NULL,
    published_at_ms bigint NOT NULL,
    PRIMARY KEY (tenant, role, name, version)
);
