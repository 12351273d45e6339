-- Counts calls whose signature was wrong.
UPDATE hooks
SET refused = refused + ?4,
    refused_at_ms = ?3
WHERE connection = ?1
  AND tenant = ?2
