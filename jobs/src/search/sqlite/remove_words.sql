-- Has chunks no longer be found by words.
DELETE FROM words
WHERE rowid IN (SELECT value FROM json_each(?1))
