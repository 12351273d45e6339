-- Deletes a connection of the tenant.
DELETE FROM connections
WHERE id = ?1
  AND tenant = ?2
