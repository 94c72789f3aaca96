-- Reserves what is free, and gives whose it is. What somebody has is written as it was, so that both take as long, and so that
-- one of many at once waits for the first and sees its row.
INSERT INTO write.reservations AS held (kind, blind_index, owner)
VALUES ($1, $2, $3)
ON CONFLICT (kind, blind_index) DO UPDATE SET owner = held.owner
RETURNING owner
