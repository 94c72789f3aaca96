-- Counts a failed login: one more in a row, or the first after a long time. Gives the count.
INSERT INTO write.login_attempts AS a (subject, failures, last_failure_at, locked_until)
VALUES ($1, 1, $2, 0)
ON CONFLICT (subject) DO UPDATE SET
    failures = CASE WHEN a.last_failure_at < $3 THEN 1 ELSE least(a.failures, 1000000) + 1 END,
    last_failure_at = greatest(a.last_failure_at, excluded.last_failure_at)
RETURNING failures::bigint
