-- What jobs did to the outside world: the intent before, the confirmation after.
CREATE TABLE effects (
    job_id        BLOB    NOT NULL,
    key           TEXT    NOT NULL,
    tenant        TEXT    NOT NULL,
    version       INTEGER NOT NULL,
    facts         TEXT    NOT NULL,
    callback      BLOB,
    created_at_ms INTEGER NOT NULL,
    changed_at_ms INTEGER NOT NULL,
    until_at_ms   INTEGER,
    PRIMARY KEY (job_id, key)
) STRICT, WITHOUT ROWID;
-- Who reports by a token is known by the token's hash alone.
CREATE UNIQUE INDEX effects_callback ON effects (callback) WHERE callback IS NOT NULL;
