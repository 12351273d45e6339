-- Counts what a generation has more, or less.
UPDATE generations
SET documents = documents + ?2, chunks = chunks + ?3, words = words + ?4
WHERE number = ?1
