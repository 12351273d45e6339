-- Vectors may lie in Qdrant, if the operator has one: each is a point there, of which only the id is here. A point is `loose` before it is there
-- and until something staged has it, and again once neither a chunk nor anything staged has it any more, until it is gone there. So every point that
-- may be there is known here, whoever dies when.

ALTER TABLE generations ADD COLUMN in_qdrant INTEGER NOT NULL DEFAULT 0;
ALTER TABLE chunks ADD COLUMN point BLOB;
ALTER TABLE staged ADD COLUMN point BLOB;
CREATE INDEX chunks_point ON chunks (point) WHERE point IS NOT NULL;
CREATE INDEX staged_point ON staged (point) WHERE point IS NOT NULL;

-- One that is doomed is going: nobody takes it any more.
CREATE TABLE loose (
    point     BLOB    NOT NULL PRIMARY KEY,
    dimension INTEGER NOT NULL,
    due_ms    INTEGER NOT NULL,
    is_doomed INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX loose_due ON loose (due_ms) WHERE is_doomed = 0;
CREATE INDEX loose_doomed ON loose (point) WHERE is_doomed = 1;

-- Several installations may have one Qdrant: by this are their spaces told apart.
CREATE TABLE identity (id TEXT NOT NULL) STRICT;
INSERT INTO identity (id) VALUES (lower(hex(randomblob(16))));
