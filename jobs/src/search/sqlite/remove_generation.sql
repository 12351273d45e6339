-- Removes a generation of which nothing is left.
DELETE FROM generations
WHERE number = ?1
