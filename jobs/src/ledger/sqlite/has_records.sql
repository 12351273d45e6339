-- Whether a collection has a record.
SELECT EXISTS (SELECT 1 FROM records WHERE tenant = ?1 AND collection = ?2)
