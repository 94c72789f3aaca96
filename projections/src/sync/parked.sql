-- The first event that was set aside of a conversation that account $1 is or was in: rows do not tell of it yet.
SELECT min(p.position) AS position
FROM read.conversation_members AS v
JOIN (SELECT * FROM read.conversations_parked UNION ALL SELECT * FROM read.messages_parked) AS p
    ON p.stream = 'conversation-' || v.conversation_id::text
WHERE v.account_id = $1
