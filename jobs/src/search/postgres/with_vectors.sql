-- Has tables that were made where pgvector was not keep vectors from now on. Nothing is in these columns.
ALTER TABLE windrow_search.chunks ALTER COLUMN embedding TYPE vector USING NULL;
ALTER TABLE windrow_search.staged ALTER COLUMN embedding TYPE vector USING NULL
