-- Whether the tables were made where pgvector was not.
SELECT EXISTS (
    SELECT 1
    FROM pg_attribute
    WHERE attrelid = 'windrow_search.chunks'::regclass
      AND attname = 'embedding'
      AND atttypid = 'bytea'::regtype
)
