-- Files that attempts made, by name: what they are and under which key of the object store they lie. An attempt that
-- gives the name again replaces what an earlier one left there.
CREATE TABLE artifacts (
    job_id     BLOB    NOT NULL,
    name       TEXT    NOT NULL,
    attempt    INTEGER NOT NULL,
    bytes      INTEGER NOT NULL,
    sha256     TEXT    NOT NULL,
    media_type TEXT    NOT NULL,
    object_key TEXT    NOT NULL,
    PRIMARY KEY (job_id, name)
) STRICT, WITHOUT ROWID;
