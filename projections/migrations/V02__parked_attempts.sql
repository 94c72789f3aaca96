-- How often folding a parked event was tried: tells a failure that was looked into from one that nobody has met yet. Events
-- that queue behind another have not been tried.

ALTER TABLE projection.parked_events ADD COLUMN attempts bigint NOT NULL DEFAULT 0;
UPDATE projection.parked_events SET attempts = 1 WHERE reason IS NOT NULL;
