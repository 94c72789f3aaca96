-- Counts a login unless its address is locked: one more in a row, or the first after a long time. Gives the count, or no row for
-- a locked address. Each count takes two rows away that are long past, so the table does not grow with addresses once tried.
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
    failures = CASE WHEN a.last_failure_at < $3 THEN 1 ELSE least(a.failures, 1000000) + 1 END,
    last_failure_at = greatest(a.last_failure_at, excluded.last_failure_at)
WHERE a.locked_until <= $2
RETURNING failures::bigint
