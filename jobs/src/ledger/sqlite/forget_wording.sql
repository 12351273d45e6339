-- Deletes a head that never had a version; it is held.
DELETE FROM wording_heads
WHERE tenant = ?1
  AND name = ?2
  AND locale = ?3
  AND version = 0
