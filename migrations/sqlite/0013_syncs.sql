-- Syncs: what is declared, its runs, what is remembered of each key, and the tenants' records.

CREATE TABLE syncs (
    id            BLOB    NOT NULL PRIMARY KEY,
    tenant        TEXT    NOT NULL,
    name          TEXT    NOT NULL,
    version       INTEGER NOT NULL,
    preset        TEXT,
    definition    TEXT    NOT NULL,
    collection    TEXT,
    since         TEXT,
    last_run      INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL,
    updated_at_ms INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX syncs_name ON syncs (tenant, name);

-- Syncs that were deleted, and of which something is remembered.
CREATE TABLE deleted_syncs (
    id BLOB NOT NULL PRIMARY KEY
) STRICT;

-- Runs: counts, error and place are JSON. Errors of its rows are numbered from 0 up to what counts say.
CREATE TABLE sync_runs (
    sync           BLOB    NOT NULL,
    number         INTEGER NOT NULL,
    tenant         TEXT    NOT NULL,
    version        INTEGER NOT NULL,
    job_id         BLOB    NOT NULL,
    attempt        INTEGER NOT NULL,
    state          TEXT    NOT NULL,
    is_full        INTEGER NOT NULL,
    is_dry         INTEGER NOT NULL,
    counts         TEXT    NOT NULL,
    place          TEXT,
    error          TEXT,
    started_at_ms  INTEGER NOT NULL,
    finished_at_ms INTEGER,
    PRIMARY KEY (sync, number)
) STRICT;

CREATE TABLE sync_items (
    sync          BLOB    NOT NULL,
    key           TEXT    NOT NULL,
    hash          BLOB    NOT NULL,
    seen          INTEGER NOT NULL,
    version       INTEGER,
    is_deleted    INTEGER NOT NULL,
    pending       BLOB,
    pending_at_ms INTEGER,
    remote_id     TEXT,
    PRIMARY KEY (sync, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE sync_errors (
    sync    BLOB    NOT NULL,
    run     INTEGER NOT NULL,
    n       INTEGER NOT NULL,
    key     TEXT,
    page    INTEGER NOT NULL,
    row_index INTEGER NOT NULL,
    code    TEXT    NOT NULL,
    message TEXT    NOT NULL,
    pointer TEXT,
    PRIMARY KEY (sync, run, n)
) STRICT, WITHOUT ROWID;

-- Records about which somebody has to decide: what the source says, nothing where it deleted the record.
CREATE TABLE sync_conflicts (
    sync          BLOB    NOT NULL,
    key           TEXT    NOT NULL,
    source        TEXT,
    hash          BLOB    NOT NULL,
    run           INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL,
    PRIMARY KEY (sync, key)
) STRICT;

CREATE TABLE records (
    tenant        TEXT    NOT NULL,
    collection    TEXT    NOT NULL,
    key           TEXT    NOT NULL,
    data          TEXT    NOT NULL,
    hash          BLOB    NOT NULL,
    version       INTEGER NOT NULL,
    sync          BLOB,
    created_at_ms INTEGER NOT NULL,
    updated_at_ms INTEGER NOT NULL,
    deleted_at_ms INTEGER,
    PRIMARY KEY (tenant, collection, key)
) STRICT;

-- The greatest version of a record that is gone: another of its key goes on from there, so that no version is given twice.
CREATE TABLE record_floors (
    tenant     TEXT    NOT NULL,
    collection TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    PRIMARY KEY (tenant, collection)
) STRICT;

-- Look-up fields of collections: which are being gone through, or no longer wanted, and up to which key.
CREATE TABLE record_fields (
    tenant     TEXT NOT NULL,
    collection TEXT NOT NULL,
    field      TEXT NOT NULL,
    state      TEXT NOT NULL,
    walked     TEXT NOT NULL,
    PRIMARY KEY (tenant, collection, field)
) STRICT;
CREATE INDEX record_fields_open ON record_fields (state) WHERE state <> 'ready';

-- What records have at those fields, in words.
CREATE TABLE record_values (
    tenant     TEXT NOT NULL,
    collection TEXT NOT NULL,
    key        TEXT NOT NULL,
    field      TEXT NOT NULL,
    value      TEXT NOT NULL,
    PRIMARY KEY (tenant, collection, key, field)
) STRICT, WITHOUT ROWID;
CREATE INDEX record_values_value ON record_values (tenant, collection, field, value, key);
