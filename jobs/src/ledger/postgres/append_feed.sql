-- Tells the planner what a batch did.
INSERT INTO feed (events)
VALUES ($1)
RETURNING seq
