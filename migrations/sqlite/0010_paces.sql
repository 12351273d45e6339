-- Until when the row of calls through a connection is taken: the next goes then at the earliest.
ALTER TABLE connections ADD COLUMN taken_until_us INTEGER;
