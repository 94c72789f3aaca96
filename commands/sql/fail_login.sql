-- Counts a login that was verified and failed: one more in a row, and once none is free a pause that doubles with each.
-- A time further ahead than any is set ($6 failures, $7 pauses) was written by a clock that was wrong, and counts as past.
-- $1 subject, $2 now, $3 failures that are free, $4 first pause, $5 longest pause; times in microseconds.
INSERT INTO write.login_attempts AS a (subject, failures, last_failure_at, paused_until, pending, pending_until)
VALUES ($1, 1, $2, 0, 0, 0)
ON CONFLICT (subject) DO UPDATE SET
    (failures, last_failure_at, paused_until, pending) = (
        SELECT n.failures, greatest(CASE WHEN a.last_failure_at <= $6 THEN a.last_failure_at END, $2),
            CASE WHEN n.failures < $3::integer THEN n.paused_until
            ELSE greatest(n.paused_until, $2 + least($5::bigint, $4::bigint << least(n.failures - $3::integer, 16))) END,
            greatest(a.pending - 1, 0)
        FROM (
            SELECT least(a.failures, 1000000) + 1 AS failures,
                CASE WHEN a.paused_until <= $7 THEN a.paused_until ELSE $2 END AS paused_until
        ) AS n
    )
