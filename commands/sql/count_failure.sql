-- Counts a failed login under something wider: one more, less those that have leaked away since, at most $4. What has leaked in
-- part leaks on, however often it is counted. Gives the count. A count from further ahead than a full one takes to leak away was
-- written by a clock that was wrong: none of it is left.
-- $1 subject, $2 now, $3 after which time one leaks away, $4 most; times in microseconds.
INSERT INTO write.login_attempts AS a (subject, failures, last_failure_at, paused_until, pending, pending_until)
VALUES ($1, 1, $2, 0, 0, 0)
ON CONFLICT (subject) DO UPDATE SET
    (failures, last_failure_at) = (
        SELECT least($4::integer, greatest(0, a.failures - n.leaked) + 1)::integer,
            CASE WHEN n.is_wrong THEN $2 WHEN a.failures <= n.leaked THEN greatest(a.last_failure_at, $2)
            ELSE a.last_failure_at + n.leaked * $3::bigint END
        FROM (
            SELECT w.is_wrong,
                CASE WHEN w.is_wrong THEN a.failures ELSE greatest(0, $2 - a.last_failure_at) / $3::bigint END AS leaked
            FROM (SELECT a.last_failure_at > $2 + $3::bigint * $4::integer AS is_wrong) AS w
        ) AS n
    )
RETURNING failures
