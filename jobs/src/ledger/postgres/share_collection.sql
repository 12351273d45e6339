-- Keeps whoever changes the look-up fields of a collection out until the transaction has ended.
SELECT pg_advisory_xact_lock_shared(hashtextextended($1 || '/' || $2, 13))
