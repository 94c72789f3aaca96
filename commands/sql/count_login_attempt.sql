-- Counts a login unless its address is locked: one more in a row, or the first after a long time. Gives the count and the lock
-- that it begins (0 for none), or no row for a locked address. Lock and count are one statement, so that of many logins at once
-- none slips in between. Each count takes two rows away that are long past: the table does not grow with addresses once tried.
-- $1 subject, $2 now, $3 forget what is older, $4 failures that are free, $5 first lock, $6 longest lock; times in microseconds.
WITH past AS (
    DELETE FROM write.login_attempts
    WHERE subject IN (
        SELECT subject FROM write.login_attempts
        WHERE last_failure_at < $3 AND locked_until <= $2 AND subject <> $1
        ORDER BY last_failure_at
        LIMIT 2
        FOR UPDATE SKIP LOCKED
    )
)
INSERT INTO write.login_attempts AS a (subject, failures, last_failure_at, locked_until)
VALUES ($1, 1, $2, 0)
ON CONFLICT (subject) DO UPDATE SET
    (failures, last_failure_at, locked_until) = (
        SELECT n.failures, greatest(a.last_failure_at, $2),
            CASE WHEN n.failures < $4::integer THEN 0 ELSE $2 + least($6::bigint, $5::bigint << least(n.failures - $4::integer, 16)) END
        FROM (
            SELECT CASE WHEN a.last_failure_at < $3 THEN 1 ELSE least(a.failures, 1000000) + 1 END AS failures
        ) AS n
    )
WHERE a.locked_until <= $2
RETURNING failures, locked_until
