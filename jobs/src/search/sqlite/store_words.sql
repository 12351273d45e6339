-- Writes by what words new chunks are found.
INSERT INTO words (rowid, terms)
SELECT value ->> 0, value ->> 1
FROM json_each(?1)
