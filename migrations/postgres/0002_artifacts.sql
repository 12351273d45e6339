-- Files that attempts made, by name: what they are and under which key of the object store they lie. An attempt that
-- gives the name again replaces what an earlier one left there.
CREATE TABLE artifacts (
    job_id     uuid    NOT NULL,
    name       text    NOT NULL,
    attempt    integer NOT NULL,
    bytes      bigint  NOT NULL,
    sha256     text    NOT NULL,
    media_type text    NOT NULL,
    object_key text    NOT NULL,
    PRIMARY KEY (job_id, name)
);
