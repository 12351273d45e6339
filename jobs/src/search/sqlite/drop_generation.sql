-- Marks a generation as what is to be pruned.
UPDATE generations
SET is_dropped = 1
WHERE number = ?1
