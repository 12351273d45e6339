-- Schedules, and what became of each of their fires.

CREATE TABLE schedules (
    id              BLOB    NOT NULL PRIMARY KEY,
    tenant          TEXT    NOT NULL,
    name            TEXT    NOT NULL,
    definition      TEXT    NOT NULL,
    paused          INTEGER NOT NULL,
    version         INTEGER NOT NULL,
    created_at_ms   INTEGER NOT NULL,
    updated_at_ms   INTEGER NOT NULL,
    next_fire_at_ms INTEGER,
    last_fire_at_ms INTEGER,
    jobs_made       INTEGER NOT NULL,
    due_at_ms       INTEGER
) STRICT;
CREATE UNIQUE INDEX schedules_name ON schedules (tenant, name);
-- What a look for due schedules costs does not depend on how many there are.
CREATE INDEX schedules_due ON schedules (due_at_ms, id) WHERE due_at_ms IS NOT NULL;

-- Every instant at which a schedule was expected to fire. The key is what makes it fire once.
CREATE TABLE fires (
    schedule_id   BLOB    NOT NULL,
    fire_at_ms    INTEGER NOT NULL,
    status        TEXT    NOT NULL,
    manual        INTEGER NOT NULL,
    reason        TEXT,
    message       TEXT,
    job_id        BLOB,
    n             INTEGER,
    decided_at_ms INTEGER NOT NULL,
    late_ms       INTEGER NOT NULL,
    is_open       INTEGER NOT NULL,
    PRIMARY KEY (schedule_id, fire_at_ms)
) STRICT, WITHOUT ROWID;
-- Those whose jobs the next fire must look at.
CREATE INDEX fires_open ON fires (schedule_id, fire_at_ms) WHERE is_open;
-- Those that are to be forgotten.
CREATE INDEX fires_age ON fires (fire_at_ms);
