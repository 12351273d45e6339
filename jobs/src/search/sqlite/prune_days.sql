-- Forgets tokens of days long gone.
DELETE FROM spent
WHERE (tenant, day) IN (SELECT tenant, day FROM spent WHERE day < ?1 ORDER BY day LIMIT ?2)
