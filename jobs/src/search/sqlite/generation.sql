-- What a generation was made with.
SELECT settings
FROM generations
WHERE number = ?1
