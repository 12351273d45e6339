-- Wordings: what templates of notifications say, by language. What a version says never changes; a head outlives its versions, so
-- that no number is given twice.

CREATE TABLE wordings (
    tenant        text    NOT NULL,
    name          text    COLLATE "C" NOT NULL,
    locale        text    COLLATE "C" NOT NULL,
    version       integer NOT NULL,
    content       text    NOT NULL,
    needs         text    NOT NULL,
    created_at_ms bigint  NOT NULL,
    PRIMARY KEY (tenant, name, locale, version)
);

CREATE TABLE wording_heads (
    tenant        text    NOT NULL,
    name          text    COLLATE "C" NOT NULL,
    locale        text    COLLATE "C" NOT NULL,
    version       integer NOT NULL,
    is_live       boolean NOT NULL,
    created_at_ms bigint  NOT NULL,
    updated_at_ms bigint  NOT NULL,
    PRIMARY KEY (tenant, name, locale)
);

CREATE TABLE default_locales (
    tenant text NOT NULL PRIMARY KEY,
    locale text NOT NULL
);
