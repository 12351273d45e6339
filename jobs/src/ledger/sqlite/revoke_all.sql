-- Takes every ticket back.
DELETE FROM tickets
