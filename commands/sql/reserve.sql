-- Reserves what is free; what the same command reserved before stays its own. Anything else is left as it is.
INSERT INTO write.reservations (kind, blind_index, owner, command_id, confirmed, expires_at)
VALUES ($1, $2, $3, $4, false, $5)
ON CONFLICT (kind, blind_index) DO NOTHING
