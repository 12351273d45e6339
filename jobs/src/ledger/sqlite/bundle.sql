-- One version of a bundle of the tenant.
SELECT role, name, version, description, digest, needs, manifest, object_key, bytes, published_at_ms
FROM bundles
WHERE tenant = ?1
  AND role = ?2
  AND name = ?3
  AND version = ?4
