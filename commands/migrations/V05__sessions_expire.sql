-- When a session is over if it is not refreshed, in microseconds since the Unix epoch: sessions that nobody ended leave the
-- index too. Its stream knows whether it was refreshed; rows from before this column are looked up there first.
ALTER TABLE write.sessions_by_account ADD COLUMN expires_at bigint NOT NULL DEFAULT 0;
CREATE INDEX sessions_by_expiry ON write.sessions_by_account (expires_at);
