-- How many chunks have a term.
SELECT count(*)
FROM words
WHERE words MATCH '"' || ?1 || '"'
