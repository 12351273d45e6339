-- When a feed row was written, so that the planner can say how late it reads; 0 where that is not known.
ALTER TABLE feed ADD COLUMN at_ms INTEGER NOT NULL DEFAULT 0;
