-- Forgets tokens of days long gone.
DELETE FROM windrow_search.spent
WHERE (tenant, day) IN (SELECT tenant, day FROM windrow_search.spent WHERE day < $1 ORDER BY day LIMIT $2)
