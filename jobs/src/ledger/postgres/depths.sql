-- What the planner last said of the queues.
SELECT depths
FROM depths
