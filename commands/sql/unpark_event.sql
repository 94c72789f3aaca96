-- Takes out an event that is done with. If it was the first of its ordering key, the next one's time has come ($3).
WITH gone AS (
    DELETE FROM write.reaction_parked WHERE reaction = $1 AND event_id = $2 RETURNING ordering_key, position
)
UPDATE write.reaction_parked AS next SET retry_at = $3
FROM gone
WHERE next.reaction = $1
    AND next.retry_at IS NULL
    AND next.position = (
        SELECT min(left_over.position)
        FROM write.reaction_parked AS left_over
        WHERE left_over.reaction = $1
            AND left_over.ordering_key = gone.ordering_key
            AND left_over.position <> gone.position
    )
