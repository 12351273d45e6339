-- What jobs did to the outside world: the intent before, the confirmation after. Room on each page for the second, as no
-- index names what it writes.
CREATE TABLE effects (
    job_id        uuid    NOT NULL,
    key           text    COLLATE "C" NOT NULL,
    tenant        text    NOT NULL,
    version       integer NOT NULL,
    facts         text    NOT NULL,
    callback      bytea,
    created_at_ms bigint  NOT NULL,
    changed_at_ms bigint  NOT NULL,
    until_at_ms   bigint,
    PRIMARY KEY (job_id, key)
) WITH (fillfactor = 50);
-- Who reports by a token is known by the token's hash alone.
CREATE UNIQUE INDEX effects_callback ON effects (callback) WHERE callback IS NOT NULL;
