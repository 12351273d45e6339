-- Keeps row errors, numbered from the first's number on.
INSERT INTO sync_errors (sync, run, n, key, page, row_index, code, message, pointer)
SELECT $1, $2, $3 + given.n - 1, given.key, given.page, given.row_index, given.code, given.message, given.pointer
FROM unnest($4::text[], $5::bigint[], $6::integer[], $7::text[], $8::text[], $9::text[])
    WITH ORDINALITY AS given (key, page, row_index, code, message, pointer, n)
