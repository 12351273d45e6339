-- Points that go.
SELECT point, dimension
FROM loose
WHERE is_doomed = 1
LIMIT ?1
