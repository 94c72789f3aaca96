-- Counts a failed login under something wider: one more, less those that have leaked away since, at most $4. What has leaked in
-- part leaks on, however often it is counted. Gives the count.
-- $1 subject, $2 now, $3 after which time one leaks away, $4 most; times in microseconds.
INSERT INTO write.login_attempts AS a (subject, failures, last_failure_at, paused_until, pending, pending_until)
VALUES ($1, 1, $2, 0, 0, 0)
ON CONFLICT (subject) DO UPDATE SET
    (failures, last_failure_at) = (
        SELECT least($4::integer, greatest(0, a.failures - n.leaked) + 1)::integer,
            CASE WHEN a.failures <= n.leaked THEN greatest(a.last_failure_at, $2)
            ELSE a.last_failure_at + n.leaked * $3::bigint END
        FROM (SELECT greatest(0, $2 - a.last_failure_at) / $3::bigint AS leaked) AS n
    )
RETURNING failures
