-- Names this database among all others: its server's identifier, made at initdb, and its own.
SELECT (SELECT system_identifier FROM pg_control_system()) || '/' || (SELECT oid FROM pg_database WHERE datname = current_database())
