-- The ledger. Times are milliseconds since the epoch, by the ledger's clock; ids are 16 bytes.
-- The same tables, columns and numbers as in ../postgres; what differs is how each database keeps an index cheap.

-- Every job, live and finished. A finished row stays where it is until it is pruned.
CREATE TABLE jobs (
    id               BLOB    NOT NULL PRIMARY KEY,
    tenant           TEXT    NOT NULL,
    queue            TEXT    NOT NULL,
    kind             TEXT    NOT NULL,
    contract_version INTEGER NOT NULL,
    state            INTEGER NOT NULL,
    priority         INTEGER NOT NULL,
    attempt          INTEGER NOT NULL DEFAULT 0,
    forgiven         INTEGER NOT NULL DEFAULT 0,
    crashes          INTEGER NOT NULL DEFAULT 0,
    max_attempts     INTEGER NOT NULL,
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    created_at_ms    INTEGER NOT NULL,
    run_at_ms        INTEGER NOT NULL,
    started_at_ms    INTEGER,
    finished_at_ms   INTEGER,
    lease_until_ms   INTEGER,
    deadline_at_ms   INTEGER,
    worker           TEXT,
    outcome          TEXT,
    reason           TEXT,
    error            TEXT,
    result           TEXT,
    progress         TEXT,
    checkpoint       TEXT,
    payload          TEXT    NOT NULL,
    tags             TEXT    NOT NULL,
    unique_key       TEXT
) STRICT;

-- A lane's order, live jobs only: what the planner reads when its memory of a lane runs out.
CREATE INDEX jobs_lane ON jobs (queue, tenant, priority DESC, id) WHERE finished_at_ms IS NULL;
-- A tenant's list, newest first.
CREATE INDEX jobs_tenant ON jobs (tenant, id);

-- Attempts that did not end their job; the latest one of a finished job stands in its row.
CREATE TABLE attempts (
    job_id         BLOB    NOT NULL,
    attempt        INTEGER NOT NULL,
    worker         TEXT    NOT NULL,
    started_at_ms  INTEGER NOT NULL,
    finished_at_ms INTEGER NOT NULL,
    outcome        TEXT,
    reason         TEXT,
    error          TEXT,
    PRIMARY KEY (job_id, attempt)
) STRICT, WITHOUT ROWID;

-- What handlers logged, in chunks; `lines` is a JSON array.
CREATE TABLE logs (
    id      INTEGER NOT NULL PRIMARY KEY,
    job_id  BLOB    NOT NULL,
    attempt INTEGER NOT NULL,
    lines   TEXT    NOT NULL,
    dropped INTEGER NOT NULL
) STRICT;
CREATE INDEX logs_job ON logs (job_id, id);

-- One row per committed batch, for the planner; read as a queue. AUTOINCREMENT, so that a number is never used twice.
CREATE TABLE feed (
    seq    INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    events TEXT    NOT NULL
) STRICT;

-- The right to claim a few jobs; deleted by the claim or by whoever takes it back.
CREATE TABLE tickets (
    id           BLOB    NOT NULL PRIMARY KEY,
    queue        TEXT    NOT NULL,
    kind         TEXT    NOT NULL,
    ids          TEXT    NOT NULL,
    epoch        INTEGER NOT NULL,
    issued_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One row per claim and per renewal: ids are 16 bytes each, one after the other.
CREATE TABLE leases (
    id            INTEGER NOT NULL PRIMARY KEY,
    expires_at_ms INTEGER NOT NULL,
    ids           BLOB    NOT NULL
) STRICT;
CREATE INDEX leases_expiry ON leases (expires_at_ms);

-- When to look at a job again; the tenant decides the bucket, so that one tenant's storm delays no other.
CREATE TABLE delayed (
    bucket    INTEGER NOT NULL,
    due_at_ms INTEGER NOT NULL,
    id        BLOB    NOT NULL,
    PRIMARY KEY (bucket, due_at_ms, id)
) STRICT, WITHOUT ROWID;

-- Who holds a unique key, and the first answers to idempotency keys; only jobs that have a key pay. A unique key's row
-- goes with its job's last change, an idempotency key's when its time is over.
CREATE TABLE keys (
    tenant        TEXT NOT NULL,
    scope         TEXT NOT NULL,
    key           TEXT NOT NULL,
    job_id        BLOB NOT NULL,
    body_hash     BLOB,
    answer        TEXT,
    expires_at_ms INTEGER,
    PRIMARY KEY (tenant, scope, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX keys_expiry ON keys (expires_at_ms) WHERE expires_at_ms IS NOT NULL;

-- Workers as they described themselves.
CREATE TABLE workers (
    id         TEXT    NOT NULL PRIMARY KEY,
    record     TEXT    NOT NULL,
    seen_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Contracts as workers published them.
CREATE TABLE contracts (
    kind     TEXT    NOT NULL,
    version  INTEGER NOT NULL,
    contract TEXT    NOT NULL,
    PRIMARY KEY (kind, version)
) STRICT, WITHOUT ROWID;

-- Limits as operators set them; an empty tenant means the whole queue.
CREATE TABLE limits (
    queue  TEXT NOT NULL,
    tenant TEXT NOT NULL,
    limits TEXT NOT NULL,
    PRIMARY KEY (queue, tenant)
) STRICT, WITHOUT ROWID;

-- Who leads, until when.
CREATE TABLE leaders (
    name          TEXT    NOT NULL PRIMARY KEY,
    holder        TEXT    NOT NULL,
    epoch         INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What the planner last said of the queues; one row.
CREATE TABLE depths (
    id     INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    depths TEXT    NOT NULL
) STRICT;

-- How many jobs were accepted: the side of the audit that no job row can change.
CREATE TABLE intake (
    tenant   TEXT    NOT NULL PRIMARY KEY,
    accepted INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- How many outcomes were accepted, less those that a redrive took back: counted apart from the rows, so that an
-- outcome that was written twice shows.
CREATE TABLE outcomes (
    tenant    TEXT    NOT NULL PRIMARY KEY,
    completed INTEGER NOT NULL,
    dead      INTEGER NOT NULL,
    cancelled INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Pruned jobs, by how they ended.
CREATE TABLE totals (
    tenant    TEXT    NOT NULL PRIMARY KEY,
    completed INTEGER NOT NULL,
    dead      INTEGER NOT NULL,
    cancelled INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
