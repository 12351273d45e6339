-- Syncs: what is declared, its runs, what is remembered of each key, and the tenants' records.

CREATE TABLE syncs (
    id            uuid    NOT NULL PRIMARY KEY,
    tenant        text    COLLATE "C" NOT NULL,
    name          text    COLLATE "C" NOT NULL,
    version       integer NOT NULL,
    preset        text,
    definition    text    NOT NULL,
    collection    text    COLLATE "C",
    since         text,
    last_run      integer NOT NULL,
    created_at_ms bigint  NOT NULL,
    updated_at_ms bigint  NOT NULL
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX syncs_name ON syncs (tenant, name);

-- Syncs that were deleted, and of which something is remembered.
CREATE TABLE deleted_syncs (
    id uuid NOT NULL PRIMARY KEY
);

-- Runs: counts, error and place are JSON. Errors of its rows are numbered from 0 up to what counts say. Every page writes its run: room for
-- that, and no index on what it writes.
CREATE TABLE sync_runs (
    sync           uuid    NOT NULL,
    number         integer NOT NULL,
    tenant         text    COLLATE "C" NOT NULL,
    version        integer NOT NULL,
    job_id         uuid    NOT NULL,
    attempt        integer NOT NULL,
    state          text    NOT NULL,
    is_full        boolean NOT NULL,
    is_dry         boolean NOT NULL,
    counts         text    NOT NULL,
    place          text,
    error          text,
    started_at_ms  bigint  NOT NULL,
    finished_at_ms bigint,
    PRIMARY KEY (sync, number)
) WITH (fillfactor = 50);

-- Each run writes what it saw into each row: room for half of a page's rows at a time, and no index on what it writes.
CREATE TABLE sync_items (
    sync          uuid    NOT NULL,
    key           text    COLLATE "C" NOT NULL,
    hash          bytea   NOT NULL,
    seen          integer NOT NULL,
    version       bigint,
    is_deleted    boolean NOT NULL,
    pending       bytea,
    pending_at_ms bigint,
    remote_id     text,
    PRIMARY KEY (sync, key)
) WITH (fillfactor = 70);

CREATE TABLE sync_errors (
    sync    uuid    NOT NULL,
    run     integer NOT NULL,
    n       bigint  NOT NULL,
    key     text,
    page    bigint  NOT NULL,
    row_index integer NOT NULL,
    code    text    NOT NULL,
    message text    NOT NULL,
    pointer text,
    PRIMARY KEY (sync, run, n)
);

-- Records about which somebody has to decide: what the source says, nothing where it deleted the record.
CREATE TABLE sync_conflicts (
    sync          uuid    NOT NULL,
    key           text    COLLATE "C" NOT NULL,
    source        text,
    hash          bytea   NOT NULL,
    run           integer NOT NULL,
    created_at_ms bigint  NOT NULL,
    PRIMARY KEY (sync, key)
);

CREATE TABLE records (
    tenant        text   COLLATE "C" NOT NULL,
    collection    text   COLLATE "C" NOT NULL,
    key           text   COLLATE "C" NOT NULL,
    data          text   NOT NULL,
    hash          bytea  NOT NULL,
    version       bigint NOT NULL,
    sync          uuid,
    created_at_ms bigint NOT NULL,
    updated_at_ms bigint NOT NULL,
    deleted_at_ms bigint,
    PRIMARY KEY (tenant, collection, key)
) WITH (fillfactor = 90);

-- The greatest version of a record that is gone: another of its key goes on from there, so that no version is given twice.
CREATE TABLE record_floors (
    tenant     text   COLLATE "C" NOT NULL,
    collection text   COLLATE "C" NOT NULL,
    version    bigint NOT NULL,
    PRIMARY KEY (tenant, collection)
) WITH (fillfactor = 50);

-- Look-up fields of collections: which are being gone through, or no longer wanted, and up to which key.
CREATE TABLE record_fields (
    tenant     text COLLATE "C" NOT NULL,
    collection text COLLATE "C" NOT NULL,
    field      text COLLATE "C" NOT NULL,
    state      text COLLATE "C" NOT NULL,
    walked     text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, collection, field)
);
CREATE INDEX record_fields_open ON record_fields (state) WHERE state <> 'ready';

-- What records have at those fields, in words.
CREATE TABLE record_values (
    tenant     text COLLATE "C" NOT NULL,
    collection text COLLATE "C" NOT NULL,
    key        text COLLATE "C" NOT NULL,
    field      text COLLATE "C" NOT NULL,
    value      text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, collection, key, field)
);
CREATE INDEX record_values_value ON record_values (tenant, collection, field, value, key);
