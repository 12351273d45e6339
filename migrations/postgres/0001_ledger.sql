-- The ledger. Times are milliseconds since the epoch, by the database's clock.
-- The same tables, columns and numbers as in ../sqlite; what differs is how each database keeps an index cheap.
--
-- No index names `state`, `lease_until_ms` or another column that a claim or a settle writes, not even in a
-- predicate: then every update of a job is a heap-only one and leaves no dead index entry behind.

-- Every job, live and finished. A finished row stays where it is; whole partitions are dropped once all in them is
-- old enough. Ranges of the time-ordered id are added ahead of time by the duty `rotate`; the default partition
-- takes what fits none of them.
CREATE TABLE jobs (
    id               uuid     NOT NULL PRIMARY KEY,
    tenant           text     NOT NULL,
    queue            text     NOT NULL,
    kind             text     NOT NULL,
    contract_version integer  NOT NULL,
    state            smallint NOT NULL,
    priority         smallint NOT NULL,
    attempt          integer  NOT NULL DEFAULT 0,
    forgiven         integer  NOT NULL DEFAULT 0,
    crashes          integer  NOT NULL DEFAULT 0,
    max_attempts     integer  NOT NULL,
    cancel_requested boolean  NOT NULL DEFAULT false,
    created_at_ms    bigint   NOT NULL,
    run_at_ms        bigint   NOT NULL,
    started_at_ms    bigint,
    finished_at_ms   bigint,
    lease_until_ms   bigint,
    deadline_at_ms   bigint,
    worker           text,
    outcome          text,
    reason           text,
    error            text,
    result           text,
    progress         text,
    checkpoint       text,
    payload          text     NOT NULL,
    tags             text     NOT NULL,
    unique_key       text
) PARTITION BY RANGE (id);

CREATE TABLE jobs_rest PARTITION OF jobs DEFAULT WITH (fillfactor = 50);
-- A lane's order: what the planner reads when its memory of a lane runs out. Made for each partition by itself, so
-- that a partition without live jobs can lose it.
CREATE INDEX jobs_rest_lane ON jobs_rest (queue, tenant, priority DESC, id);

-- Attempts that did not end their job; the latest one of a finished job stands in its row.
CREATE TABLE attempts (
    job_id         uuid    NOT NULL,
    attempt        integer NOT NULL,
    worker         text    NOT NULL,
    started_at_ms  bigint  NOT NULL,
    finished_at_ms bigint  NOT NULL,
    outcome        text,
    reason         text,
    error          text,
    PRIMARY KEY (job_id, attempt)
);

-- What handlers logged, in chunks; `lines` is a JSON array.
CREATE TABLE logs (
    id      bigint  NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id  uuid    NOT NULL,
    attempt integer NOT NULL,
    lines   text    NOT NULL,
    dropped integer NOT NULL
);
CREATE INDEX logs_job ON logs (job_id, id);

-- One row per committed batch, for the planner; read as a queue.
CREATE TABLE feed (
    seq    bigint NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    events text   NOT NULL
);

-- The right to claim a few jobs; deleted by the claim or by whoever takes it back.
CREATE TABLE tickets (
    id           uuid    NOT NULL PRIMARY KEY,
    queue        text    NOT NULL,
    kind         text    NOT NULL,
    ids          text    NOT NULL,
    epoch        bigint  NOT NULL,
    issued_at_ms bigint  NOT NULL
);

-- One row per claim and per renewal: ids are 16 bytes each, one after the other.
CREATE TABLE leases (
    id            bigint NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    expires_at_ms bigint NOT NULL,
    ids           bytea  NOT NULL
);
CREATE INDEX leases_expiry ON leases (expires_at_ms);

-- When to look at a job again; the tenant decides the bucket, so that one tenant's storm delays no other.
CREATE TABLE delayed (
    bucket    smallint NOT NULL,
    due_at_ms bigint   NOT NULL,
    id        uuid     NOT NULL,
    PRIMARY KEY (bucket, due_at_ms, id)
);

-- Who holds a unique key, and the first answers to idempotency keys; only jobs that have a key pay. A unique key's row
-- goes with its job's last change, an idempotency key's when its time is over.
CREATE TABLE keys (
    tenant        text   NOT NULL,
    scope         text   NOT NULL,
    key           text   NOT NULL,
    job_id        uuid   NOT NULL,
    body_hash     bytea,
    answer        text,
    expires_at_ms bigint,
    PRIMARY KEY (tenant, scope, key)
);
CREATE INDEX keys_expiry ON keys (expires_at_ms) WHERE expires_at_ms IS NOT NULL;

-- Workers as they described themselves.
CREATE TABLE workers (
    id         text   NOT NULL PRIMARY KEY,
    record     text   NOT NULL,
    seen_at_ms bigint NOT NULL
);

-- Contracts as workers published them.
CREATE TABLE contracts (
    kind     text    NOT NULL,
    version  integer NOT NULL,
    contract text    NOT NULL,
    PRIMARY KEY (kind, version)
);

-- Limits as operators set them; an empty tenant means the whole queue.
CREATE TABLE limits (
    queue  text NOT NULL,
    tenant text NOT NULL,
    limits text NOT NULL,
    PRIMARY KEY (queue, tenant)
);

-- Who leads, until when.
CREATE TABLE leaders (
    name          text   NOT NULL PRIMARY KEY,
    holder        text   NOT NULL,
    epoch         bigint NOT NULL,
    expires_at_ms bigint NOT NULL
);

-- What the planner last said of the queues; one row.
CREATE TABLE depths (
    id     integer NOT NULL PRIMARY KEY CHECK (id = 1),
    depths text    NOT NULL
);

-- How many jobs were accepted, a row per tenant and batch: the side of the audit that no job row can change. Appended
-- to, since a row per tenant would be one that every api waits for.
CREATE TABLE intake (
    id       bigint NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant   text   NOT NULL,
    accepted bigint NOT NULL
);

-- How many outcomes were accepted, a row per tenant and batch, less those that a redrive took back: counted apart
-- from the job rows, so that an outcome that was written twice shows.
CREATE TABLE outcomes (
    id        bigint NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant    text   NOT NULL,
    completed bigint NOT NULL,
    dead      bigint NOT NULL,
    cancelled bigint NOT NULL
);

-- Pruned jobs, by how they ended.
CREATE TABLE totals (
    tenant    text   NOT NULL PRIMARY KEY,
    completed bigint NOT NULL,
    dead      bigint NOT NULL,
    cancelled bigint NOT NULL
);
