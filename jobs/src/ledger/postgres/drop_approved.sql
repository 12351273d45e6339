-- Forgets what a connection's templates were. Its sync is held.
DELETE FROM approved_templates
WHERE connection = $1
