-- Waits for whoever writes records of a collection, and keeps them out until the transaction has ended.
SELECT pg_advisory_xact_lock(hashtextextended($1 || '/' || $2, 13))
