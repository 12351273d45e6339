-- Keeps a version of a bundle, unless there is one: what is published never changes.
INSERT INTO bundles (tenant, role, name, version, description, digest, needs, manifest, object_key, bytes, published_at_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT DO NOTHING
