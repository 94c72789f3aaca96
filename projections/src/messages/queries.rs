//! Queries over the messages. Each shows a conversation to its current members only.

use domain::conversation::DeliveryState;
use domain::{AccountId, ConversationId, DeviceId, MessageId, Timestamp};
use eventstore_schema::{Position, SealedCell};

use crate::cell::Sql;
use crate::reader::{Page, QueryError, Reader, Viewer};

crate::result! {
    /// A message as a member sees it.
    pub struct MessageView {
        /// Its place in the conversation.
        number: u64,
        /// As its sender named it.
        message_id: MessageId,
        /// Who sent it.
        sender_id: AccountId,
        /// The device that its content comes from.
        device_id: DeviceId,
        /// The generation that its content is encrypted under; 0 in clear.
        generation: u32,
        /// Whether its content is end-to-end encrypted.
        encrypted: bool,
        /// [`domain::conversation::MessageBody`], sealed; none when the message was deleted.
        ciphertext: Option<SealedCell>,
        /// Number of the message that it answers.
        reply_to: Option<u64>,
        /// When it was sent.
        sent_at: Timestamp,
        /// When its content was replaced last.
        edited_at: Option<Timestamp>,
        /// When it was deleted.
        deleted_at: Option<Timestamp>,
        /// Who deleted it.
        deleted_by: Option<AccountId>,
        /// Whether it is pinned.
        pinned: bool,
        /// Position that changed it last.
        position: Position,
    }
}

crate::result! {
    /// How far a message has come to one device.
    pub struct DeliveryView {
        /// Whose device.
        account_id: AccountId,
        /// The device.
        device_id: DeviceId,
        /// How far.
        state: DeliveryState,
        /// When it got there.
        at: Timestamp,
    }
}

crate::result! {
    /// How far a member has come.
    pub struct ReceiptView {
        /// Who.
        account_id: AccountId,
        /// One of their devices has got all up to this message.
        delivered_up_to: u64,
        /// They have read all up to this message.
        read_up_to: u64,
    }
}

crate::result! {
    /// What a member's reaction slot on a message holds.
    pub struct ReactionView {
        /// The message.
        number: u64,
        /// Whose.
        account_id: AccountId,
        /// Which slot.
        slot: u8,
        /// As its sender named it.
        reaction_id: MessageId,
        /// From which device.
        device_id: DeviceId,
        /// The generation that it is encrypted under; 0 in clear.
        generation: u32,
        /// Whether it is end-to-end encrypted.
        encrypted: bool,
        /// [`domain::conversation::MessageBody`], sealed.
        ciphertext: SealedCell,
        /// When.
        reacted_at: Timestamp,
    }
}

crate::result! {
    /// A pinned message.
    pub struct PinView {
        /// The message.
        number: u64,
        /// Who pinned it.
        pinned_by: AccountId,
        /// When.
        pinned_at: Timestamp,
    }
}

/// Which way a page of messages runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the oldest on.
    Forwards,
    /// From the newest back.
    Backwards,
}

/// Whether `$1` is a member of conversation `$2`, and the column a number that is not hidden from them and did not go with an
/// earlier deletion of it.
macro_rules! seen {
    ($number:literal) => {
        concat!(
            "EXISTS (SELECT FROM read.conversation_members AS v ",
            "WHERE v.conversation_id = $2 AND v.account_id = $1 AND v.left_at IS NULL ",
            "AND (v.history_visibility = 'all' OR ",
            $number,
            " > v.earlier_number)) AND ",
            $number,
            " > (SELECT n.deleted_up_to FROM read.message_counters AS n WHERE n.conversation_id = $2) "
        )
    };
}

pub(crate) use seen;

/// Columns of [`MessageView`], but for its position: `m` the message, `p` its pin.
macro_rules! message_fields {
    () => {
        concat!(
            "m.number, m.message_id, m.sender_id, m.device_id, m.generation, m.encrypted, m.ciphertext, ",
            "m.reply_to, m.sent_at, m.edited_at, m.deleted_at, m.deleted_by, p.number IS NOT NULL AS pinned"
        )
    };
}
pub(crate) use message_fields;

/// [`MessageView`], for current members of a conversation that was not deleted; `$1` viewer, `$2` conversation.
macro_rules! messages_where {
    ($($rest:literal),+) => {
        concat!(
            "SELECT ",
            message_fields!(),
            ", greatest(m.position, p.position) AS position ",
            "FROM read.messages AS m ",
            "LEFT JOIN read.message_pins AS p ON p.conversation_id = m.conversation_id AND p.number = m.number ",
            "WHERE m.conversation_id = $2 AND ",
            seen!("m.number"),
            $($rest),+
        )
    };
}

/// Messages of a conversation, by number, behind the page's number in the direction.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn page(
    reader: &Reader,
    viewer: &Viewer,
    conversation_id: ConversationId,
    direction: Direction,
    page: Page<u64>,
) -> Result<Vec<MessageView>, QueryError> {
    const FORWARDS: &str = messages_where!("AND m.number > $3 ORDER BY m.number LIMIT $4");
    const BACKWARDS: &str = messages_where!("AND m.number < $3 ORDER BY m.number DESC LIMIT $4");
    let (sql, behind) = match direction {
        Direction::Forwards => (FORWARDS, page.behind()),
        Direction::Backwards => (BACKWARDS, page.after.unwrap_or(u64::MAX)),
    };
    let (me, conversation) = (Sql(viewer.account_id), Sql(conversation_id));
    reader.all(viewer, sql, &[&me, &conversation, &Sql(behind), &page.limit()]).await
}

/// One message.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn by_number(
    reader: &Reader,
    viewer: &Viewer,
    conversation_id: ConversationId,
    number: u64,
) -> Result<Option<MessageView>, QueryError> {
    const SQL: &str = messages_where!("AND m.number = $3");
    reader.one(viewer, SQL, &[&Sql(viewer.account_id), &Sql(conversation_id), &Sql(number)]).await
}

/// How far a message has come, by account and device.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn deliveries(
    reader: &Reader,
    viewer: &Viewer,
    conversation_id: ConversationId,
    number: u64,
    page: Page<(AccountId, DeviceId)>,
) -> Result<Vec<DeliveryView>, QueryError> {
    const SQL: &str = concat!(
        "SELECT d.account_id, d.device_id, d.state, d.at FROM read.message_deliveries AS d ",
        "WHERE d.conversation_id = $2 AND d.number = $3 AND ",
        seen!("d.number"),
        "AND (d.account_id, d.device_id) > ($4, $5) ",
        "ORDER BY d.account_id, d.device_id LIMIT $6"
    );
    let (me, conversation) = (Sql(viewer.account_id), Sql(conversation_id));
    let (account, device) = page.behind();
    let (account, device) = (Sql(account), Sql(device));
    reader.all(viewer, SQL, &[&me, &conversation, &Sql(number), &account, &device, &page.limit()]).await
}

/// How far the members have come who have a device, by account.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn receipts(
    reader: &Reader,
    viewer: &Viewer,
    conversation_id: ConversationId,
    page: Page<AccountId>,
) -> Result<Vec<ReceiptView>, QueryError> {
    const SQL: &str = "SELECT r.account_id, coalesce(max(w.delivered_up_to), 0) AS delivered_up_to, \
         coalesce(max(w.read_up_to), 0) AS read_up_to FROM read.message_recipients AS r \
         LEFT JOIN read.message_watermarks AS w USING (conversation_id, account_id, device_id) \
         WHERE r.conversation_id = $2 AND r.until_number IS NULL \
         AND EXISTS (SELECT FROM read.conversation_members AS v \
         WHERE v.conversation_id = $2 AND v.account_id = $1 AND v.left_at IS NULL) \
         AND r.account_id > $3 GROUP BY r.account_id ORDER BY r.account_id LIMIT $4";
    let (me, conversation) = (Sql(viewer.account_id), Sql(conversation_id));
    reader.all(viewer, SQL, &[&me, &conversation, &Sql(page.behind()), &page.limit()]).await
}

/// Reactions on a message, by account and slot.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn reactions(
    reader: &Reader,
    viewer: &Viewer,
    conversation_id: ConversationId,
    number: u64,
    page: Page<(AccountId, u8)>,
) -> Result<Vec<ReactionView>, QueryError> {
    const SQL: &str = concat!(
        "SELECT r.number, r.account_id, r.slot, r.reaction_id, r.device_id, r.generation, r.encrypted, ",
        "r.ciphertext, r.reacted_at FROM read.message_reactions AS r ",
        "WHERE r.conversation_id = $2 AND r.number = $3 AND ",
        seen!("r.number"),
        "AND (r.account_id, r.slot) > ($4, $5) ",
        "ORDER BY r.account_id, r.slot LIMIT $6"
    );
    let (me, conversation) = (Sql(viewer.account_id), Sql(conversation_id));
    let (account, slot) = page.behind();
    let (account, slot) = (Sql(account), Sql(slot));
    reader.all(viewer, SQL, &[&me, &conversation, &Sql(number), &account, &slot, &page.limit()]).await
}

/// Reactions on several messages, by message, account and slot.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn reactions_on(
    reader: &Reader,
    viewer: &Viewer,
    conversation_id: ConversationId,
    numbers: &[u64],
    page: Page<(u64, (AccountId, u8))>,
) -> Result<Vec<ReactionView>, QueryError> {
    const SQL: &str = concat!(
        "SELECT r.number, r.account_id, r.slot, r.reaction_id, r.device_id, r.generation, r.encrypted, ",
        "r.ciphertext, r.reacted_at FROM read.message_reactions AS r ",
        "WHERE r.conversation_id = $2 AND r.number = ANY($3) AND ",
        seen!("r.number"),
        "AND (r.number, r.account_id, r.slot) > ($4, $5, $6) ",
        "ORDER BY r.number, r.account_id, r.slot LIMIT $7"
    );
    let (me, conversation) = (Sql(viewer.account_id), Sql(conversation_id));
    // No message has a higher number.
    let numbers: Vec<i64> = numbers.iter().filter_map(|number| i64::try_from(*number).ok()).collect();
    let (number, (account, slot)) = page.behind();
    let (number, account, slot) = (Sql(number), Sql(account), Sql(slot));
    reader.all(viewer, SQL, &[&me, &conversation, &numbers, &number, &account, &slot, &page.limit()]).await
}

/// Pinned messages of a conversation, by number.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn pins(
    reader: &Reader,
    viewer: &Viewer,
    conversation_id: ConversationId,
) -> Result<Vec<PinView>, QueryError> {
    const SQL: &str = concat!(
        "SELECT p.number, p.pinned_by, p.pinned_at FROM read.message_pins AS p ",
        "WHERE p.conversation_id = $2 AND ",
        seen!("p.number"),
        "ORDER BY p.number"
    );
    reader.all(viewer, SQL, &[&Sql(viewer.account_id), &Sql(conversation_id)]).await
}

crate::result! {
    /// A member whose devices have come further.
    pub struct Acknowledged {
        /// The conversation.
        conversation_id: ConversationId,
        /// Who.
        account_id: AccountId,
    }
}

/// Who got or read something behind a position in these conversations of the viewer's organization: the viewer in all of them,
/// others in those in which no more than `few` ever were.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn acknowledged(
    reader: &Reader,
    viewer: &Viewer,
    conversations: &[ConversationId],
    few: u32,
    after: Option<Position>,
) -> Result<Vec<Acknowledged>, QueryError> {
    const SQL: &str = "SELECT w.conversation_id, w.account_id FROM unnest($2::uuid[]) AS c(id) \
         JOIN read.message_watermarks AS w ON w.conversation_id = c.id AND w.account_id = $1 WHERE w.position > $4 \
         UNION SELECT w.conversation_id, w.account_id FROM unnest($2::uuid[]) AS c(id) CROSS JOIN LATERAL ( \
         SELECT count(*) AS members FROM (SELECT FROM read.conversation_members AS m WHERE m.conversation_id = c.id \
         LIMIT $3::bigint + 1) AS few) AS n CROSS JOIN LATERAL (SELECT w.conversation_id, w.account_id \
         FROM read.message_watermarks AS w WHERE n.members <= $3::bigint AND w.conversation_id = c.id \
         AND w.position > $4) AS w";
    let ids: Vec<uuid::Uuid> = conversations.iter().map(|id| id.as_uuid()).collect();
    let (me, after) = (Sql(viewer.account_id), Sql(after.unwrap_or(Position::new(0))));
    reader.all(viewer, SQL, &[&me, &ids, &i64::from(few), &after]).await
}
