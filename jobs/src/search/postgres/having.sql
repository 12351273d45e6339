-- How many chunks have a term.
SELECT count(*)
FROM windrow_search.words
WHERE terms @> ARRAY[$1]
