-- A page of the events that were set aside and are tried again: the first of each ordering key, with how many wait behind it.
-- A page may be longer than asked for, so that it ends between two positions.
SELECT first.reaction, first.position, first.event_id, first.event_type, first.stream, first.revision, first.ordering_key,
    first.reason, first.attempts, first.parked_at, first.retry_at,
    (
        SELECT count(*) FROM write.reaction_parked AS waiting
        WHERE waiting.reaction = first.reaction
            AND waiting.ordering_key = first.ordering_key
            AND waiting.position > first.position
    ) AS waiting
FROM write.reaction_parked AS first
WHERE first.retry_at IS NOT NULL
    AND first.reaction = ANY($1)
    AND first.position > $2
ORDER BY first.position
FETCH FIRST $3 ROWS WITH TIES
