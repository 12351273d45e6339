-- The newest contract of every kind.
SELECT contract
FROM contracts AS newest
WHERE version = (SELECT max(version) FROM contracts WHERE kind = newest.kind)
ORDER BY kind
