-- Lets a login be verified, unless its subject is paused, or as many are being verified as it has tries that are free; once it
-- has none, one at a time. Gives the failures so far, or no row for one that has to wait. What is being verified counts for a
-- while only: a server that fails over it gives it back. Check and count are one statement, so that of many logins at once none
-- slips in between. Each try takes some rows away that are long past, more than a failure adds (three): the table does not grow with what was once
-- tried.
-- A time further ahead than any is set ($6 failures, $7 pauses, $3 and as much again tries) was written by a clock that was wrong,
-- and counts as past.
-- $1 subject, $2 now, $3 until when the try counts, $4 forget what is older, $5 failures that are free; times in microseconds.
WITH past AS (
    DELETE FROM write.login_attempts
    WHERE subject IN (
        SELECT subject FROM write.login_attempts
        WHERE (last_failure_at < $4 AND paused_until <= $2 AND pending_until <= $2 OR last_failure_at > $6)
            AND subject <> $1
        ORDER BY last_failure_at
        LIMIT 6
        FOR UPDATE SKIP LOCKED
    )
)
INSERT INTO write.login_attempts AS a (subject, failures, last_failure_at, paused_until, pending, pending_until)
VALUES ($1, 0, $2, 0, 1, $3)
ON CONFLICT (subject) DO UPDATE SET
    failures = CASE WHEN a.last_failure_at BETWEEN $4 AND $6 THEN a.failures ELSE 0 END,
    last_failure_at = CASE WHEN a.last_failure_at <= $6 THEN a.last_failure_at ELSE $2 END,
    paused_until = CASE WHEN a.paused_until <= $2 THEN a.paused_until ELSE $2 END,
    pending = CASE WHEN a.pending_until BETWEEN $2 + 1 AND 2 * $3 - $2 THEN a.pending ELSE 0 END + 1,
    pending_until = $3
WHERE a.paused_until NOT BETWEEN $2 + 1 AND $7
    AND (
        a.pending = 0 OR a.pending_until NOT BETWEEN $2 + 1 AND 2 * $3 - $2
        OR CASE WHEN a.last_failure_at BETWEEN $4 AND $6 THEN a.failures ELSE 0 END + a.pending < $5::integer
    )
RETURNING failures
