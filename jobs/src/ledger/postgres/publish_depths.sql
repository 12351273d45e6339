-- Publishes what the planner knows of the queues.
INSERT INTO depths (id, depths)
VALUES (1, $1)
ON CONFLICT (id) DO UPDATE SET depths = excluded.depths
