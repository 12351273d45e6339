-- Vectors may lie in Qdrant, if the operator has one: each is a point there, of which only the id is here. A point is `loose` before it is there
-- and until something staged has it, and again once neither a chunk nor anything staged has it any more, until it is gone there. So every point that
-- may be there is known here, whoever dies when.

ALTER TABLE windrow_search.generations ADD COLUMN in_qdrant bigint NOT NULL DEFAULT 0;
ALTER TABLE windrow_search.chunks ADD COLUMN point bytea;
ALTER TABLE windrow_search.staged ADD COLUMN point bytea;
CREATE INDEX chunks_point ON windrow_search.chunks (point) WHERE point IS NOT NULL;
CREATE INDEX staged_point ON windrow_search.staged (point) WHERE point IS NOT NULL;

-- One that is doomed is going: nobody takes it any more.
CREATE TABLE windrow_search.loose (
    point     bytea  NOT NULL PRIMARY KEY,
    dimension bigint NOT NULL,
    due_ms    bigint NOT NULL,
    is_doomed bigint NOT NULL
);
CREATE INDEX loose_due ON windrow_search.loose (due_ms) WHERE is_doomed = 0;
CREATE INDEX loose_doomed ON windrow_search.loose (point) WHERE is_doomed = 1;

-- Several installations may have one Qdrant: by this are their spaces told apart.
CREATE TABLE windrow_search.identity (id text NOT NULL);
INSERT INTO windrow_search.identity (id) VALUES (replace(gen_random_uuid()::text, '-', ''));
