-- Sets an event aside. One that has others of its ordering key before it waits for them; the first is tried again at $11, and
-- those behind it wait. One that is set aside already stays as it is.
WITH behind AS (
    UPDATE write.reaction_parked SET retry_at = NULL
    WHERE reaction = $1 AND ordering_key = $7 AND position > $2 AND retry_at IS NOT NULL
)
INSERT INTO write.reaction_parked
    (reaction, position, event_id, event_type, stream, revision, ordering_key, reason, attempts, parked_at, retry_at, rest_seconds)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10,
    CASE
        WHEN NOT EXISTS (
            SELECT 1 FROM write.reaction_parked WHERE reaction = $1 AND ordering_key = $7 AND position < $2
        ) THEN $11::bigint
    END,
    $12
ON CONFLICT (reaction, position) DO NOTHING
