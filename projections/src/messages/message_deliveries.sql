-- For each message and each device it was sent to: how far it has come, and when. The sender's own devices are left out.
SELECT m.organization_id, m.conversation_id, m.number, m.message_id, m.sender_id, w.account_id, w.device_id,
    CASE WHEN r.at IS NOT NULL THEN 'read' WHEN d.at IS NOT NULL THEN 'delivered' ELSE 'sent' END AS state,
    coalesce(r.at, d.at, m.sent_at) AS at
FROM {schema}.messages AS m
JOIN {schema}.message_recipients AS w ON w.conversation_id = m.conversation_id AND w.account_id <> m.sender_id
    AND w.since_number < m.number AND (w.until_number IS NULL OR m.number <= w.until_number)
LEFT JOIN LATERAL (
    SELECT receipt.at FROM {schema}.message_receipts AS receipt
    WHERE receipt.conversation_id = m.conversation_id AND receipt.account_id = w.account_id
        AND receipt.device_id = w.device_id AND receipt.state = 'delivered'
        AND receipt.up_to >= m.number
    ORDER BY receipt.up_to LIMIT 1
) AS d ON true
LEFT JOIN LATERAL (
    SELECT receipt.at FROM {schema}.message_receipts AS receipt
    WHERE receipt.conversation_id = m.conversation_id AND receipt.account_id = w.account_id
        AND receipt.device_id = w.device_id AND receipt.state = 'read'
        AND receipt.up_to >= m.number
    ORDER BY receipt.up_to LIMIT 1
) AS r ON true
