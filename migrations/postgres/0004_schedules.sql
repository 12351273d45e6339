-- Schedules, and what became of each of their fires.

CREATE TABLE schedules (
    id              uuid    NOT NULL PRIMARY KEY,
    tenant          text    NOT NULL,
    name            text    COLLATE "C" NOT NULL,
    definition      text    NOT NULL,
    paused          boolean NOT NULL,
    version         integer NOT NULL,
    created_at_ms   bigint  NOT NULL,
    updated_at_ms   bigint  NOT NULL,
    next_fire_at_ms bigint,
    last_fire_at_ms bigint,
    jobs_made       bigint  NOT NULL,
    due_at_ms       bigint
);
CREATE UNIQUE INDEX schedules_name ON schedules (tenant, name);
-- What a look for due schedules costs does not depend on how many there are.
CREATE INDEX schedules_due ON schedules (due_at_ms, id) WHERE due_at_ms IS NOT NULL;

-- Every instant at which a schedule was expected to fire. The key is what makes it fire once.
CREATE TABLE fires (
    schedule_id   uuid    NOT NULL,
    fire_at_ms    bigint  NOT NULL,
    status        text    NOT NULL,
    manual        boolean NOT NULL,
    reason        text,
    message       text,
    job_id        uuid,
    n             bigint,
    decided_at_ms bigint  NOT NULL,
    late_ms       bigint  NOT NULL,
    is_open       boolean NOT NULL,
    PRIMARY KEY (schedule_id, fire_at_ms)
);
-- Those whose jobs the next fire must look at.
CREATE INDEX fires_open ON fires (schedule_id, fire_at_ms) WHERE is_open;
-- Those that are to be forgotten.
CREATE INDEX fires_age ON fires (fire_at_ms);
