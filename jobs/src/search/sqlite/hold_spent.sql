-- Takes hold of the tokens of a tenant's day.
INSERT INTO spent (tenant, day, tokens)
VALUES (?1, ?2, 0)
ON CONFLICT (tenant, day) DO UPDATE SET tokens = spent.tokens
RETURNING tokens
