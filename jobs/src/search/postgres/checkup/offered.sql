-- The pgvector that the server has, and whether this user may make it the database's.
SELECT e.default_version,
       u.rolsuper OR (coalesce(v.trusted, false) AND has_database_privilege(current_database(), 'CREATE'))
FROM pg_available_extensions AS e
JOIN pg_roles AS u ON u.rolname = current_user
LEFT JOIN pg_available_extension_versions AS v ON v.name = e.name AND v.version = e.default_version
WHERE e.name = 'vector'
