-- Keeps row errors, numbered from the first's number on.
INSERT INTO sync_errors (sync, run, n, key, page, row_index, code, message, pointer)
SELECT
    ?1,
    ?2,
    ?3 + errors.key,
    value ->> 'key',
    value ->> 'page',
    value ->> 'index',
    value ->> 'code',
    value ->> 'message',
    value ->> 'pointer'
FROM json_each(?4) AS errors
