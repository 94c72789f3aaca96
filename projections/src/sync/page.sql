-- Conversations of account $1 in organization $6 that changed behind position $2 (-1: all that it is in), by the last activity
-- before ($3, $4), at most $5. Those that it is in no more are there when they ended behind $2.
SELECT seen.conversation_id, seen.activity_position, seen.ended
FROM (
    SELECT v.conversation_id, greatest(n.activity_position, v.joined_position) AS activity_position,
        v.left_at IS NOT NULL OR c.deleted_at IS NOT NULL OR r.organization OR r.workspace AS ended,
        greatest(v.position, c.position, n.position, CASE WHEN r.organization THEN o.position END,
            CASE WHEN r.workspace THEN w.position END, (SELECT max(mark.position) FROM read.message_watermarks AS mark
                WHERE mark.conversation_id = v.conversation_id AND mark.account_id = $1)) AS changed
    FROM read.conversation_members AS v
    JOIN read.conversations AS c ON c.conversation_id = v.conversation_id
    LEFT JOIN read.message_counters AS n ON n.conversation_id = v.conversation_id
    LEFT JOIN read.organization_memberships AS o ON o.organization_id = v.organization_id AND o.account_id = $1
    LEFT JOIN read.workspace_memberships AS w ON w.workspace_id = v.workspace_id AND w.account_id = $1
    CROSS JOIN LATERAL (SELECT
        coalesce(o.term > v.organization_term OR (o.term = v.organization_term AND o.removed_at IS NOT NULL), false) AS organization,
        coalesce(w.term > v.workspace_term OR (w.term = v.workspace_term AND w.removed_at IS NOT NULL), false) AS workspace
    ) AS r
    WHERE v.account_id = $1 AND v.organization_id = $6 AND (v.left_at IS NULL OR ($2::bigint >= 0 AND v.left_position > $2::bigint))
) AS seen
WHERE seen.changed > $2 AND NOT (seen.ended AND $2::bigint < 0)
    AND (seen.activity_position, seen.conversation_id) < ($3, $4)
ORDER BY seen.activity_position DESC, seen.conversation_id DESC
LIMIT $5
