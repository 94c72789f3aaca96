, page.activity_position AS sort_position, page.ended, h.up_to AS visible_after,
    CASE WHEN c.kind = 'DIRECT' THEN (SELECT other.account_id FROM read.conversation_members AS other
        WHERE other.conversation_id = c.conversation_id AND other.account_id <> $1 LIMIT 1) END AS direct_with,
    m.message_id AS last_message_id, m.sender_id AS last_sender_id, m.edited_at AS last_edited_at,
    m.deleted_at AS last_deleted_at,
    (SELECT count(*) FROM read.messages AS u WHERE u.conversation_id = page.conversation_id AND NOT page.ended
        AND u.number > greatest(n.last_number - $7::bigint, h.up_to, (SELECT max(mark.read_up_to)
            FROM read.message_watermarks AS mark WHERE mark.conversation_id = page.conversation_id AND mark.account_id = $1))
        AND u.sender_id <> $1 AND u.deleted_at IS NULL) AS unread
FROM page
JOIN read.conversation_members AS v ON v.conversation_id = page.conversation_id AND v.account_id = $1
JOIN read.conversations AS c ON c.conversation_id = page.conversation_id
LEFT JOIN read.message_counters AS n ON n.conversation_id = page.conversation_id
CROSS JOIN LATERAL (SELECT
    greatest(n.deleted_up_to, CASE v.history_visibility WHEN 'all' THEN 0 ELSE v.earlier_number END) AS up_to
) AS h
LEFT JOIN read.messages AS m ON m.conversation_id = page.conversation_id AND m.number = n.last_number
    AND n.last_number > h.up_to AND NOT page.ended
ORDER BY page.activity_position DESC, page.conversation_id DESC
