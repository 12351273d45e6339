-- Points that go.
SELECT point, dimension
FROM windrow_search.loose
WHERE is_doomed = 1
LIMIT $1
