-- Conversations of account $1 outside organizations $6 that it was in and that ended behind position $2, by the last time that it
-- joined before ($3, $4), at most $5.
SELECT seen.conversation_id, seen.activity_position
FROM (
    SELECT v.conversation_id, v.joined_position AS activity_position,
        greatest(v.left_position, CASE WHEN o.term > v.organization_term OR o.removed_at IS NOT NULL THEN o.position END) AS ended
    FROM read.conversation_members AS v
    LEFT JOIN read.organization_memberships AS o ON o.organization_id = v.organization_id AND o.account_id = $1
    WHERE v.account_id = $1 AND v.organization_id <> ALL ($6)
) AS seen
WHERE seen.ended > $2::bigint AND (seen.activity_position, seen.conversation_id) < ($3, $4)
ORDER BY seen.activity_position DESC, seen.conversation_id DESC
LIMIT $5
