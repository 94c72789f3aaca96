-- Finds the login attempts that are long past: each new one takes two of them away.
CREATE INDEX login_attempts_by_time ON write.login_attempts (last_failure_at);
