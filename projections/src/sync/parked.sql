-- The first event that was set aside of a conversation that account $1 is in, or had not left before: rows do not tell of it yet.
SELECT min(p.position) AS position
FROM read.conversation_members AS v
JOIN (SELECT * FROM read.conversations_parked UNION ALL SELECT * FROM read.messages_parked) AS p
    ON p.stream = 'conversation-' || v.conversation_id::text
WHERE v.account_id = $1 AND (v.left_position IS NULL OR v.left_position >= p.position)
