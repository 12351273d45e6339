-- When a feed row was written, so that the planner can say how late it reads. Binaries of before write none: the default
-- stamps theirs.
ALTER TABLE feed ADD COLUMN at_ms bigint NOT NULL DEFAULT (extract(epoch FROM clock_timestamp()) * 1000)::bigint;
