-- Tells the planner what a batch did.
INSERT INTO feed (events, at_ms)
VALUES (?1, ?2)
RETURNING seq
