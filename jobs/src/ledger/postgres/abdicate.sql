-- Gives a leadership up; the epoch stays, so that the next holder's is larger.
UPDATE leaders
SET expires_at_ms = 0
WHERE name = $1
  AND holder = $2
