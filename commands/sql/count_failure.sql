-- Counts a failed login under something wider: one more, less those that have leaked away since the last, at most $4. Gives the
-- count. $1 subject, $2 now, $3 after which time one leaks away, $4 most; times in microseconds.
INSERT INTO write.login_attempts AS a (subject, failures, last_failure_at, paused_until, pending, pending_until)
VALUES ($1, 1, $2, 0, 0, 0)
ON CONFLICT (subject) DO UPDATE SET
    failures = least(
        $4::integer,
        greatest(0, a.failures - greatest(0, $2 - a.last_failure_at) / $3::bigint) + 1
    )::integer,
    last_failure_at = greatest(a.last_failure_at, $2)
RETURNING failures
