//! What changed in a conversation, as it is now: messages edited or deleted, reactions, pins, members. An event changes one of
//! these, so that its position names a change, and the last change of a page is where the next begins.

use domain::conversation::ConversationRole;
use domain::{AccountId, ConversationId, Timestamp};
use eventstore_schema::Position;

use super::queries::{MessageView, PinView, ReactionView, message_fields, seen};
use crate::cell::Sql;
use crate::reader::{Ask, Page, QueryError, Reader, Shape, Viewer};
use crate::sync::{Place, before, read};

/// The projections that changes are read from.
pub const CHANGED: &[&str] = &["conversations", "messages"];

/// A change, as it is now.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A message was edited or deleted.
    Message(Box<MessageView>),
    /// A reaction slot was filled.
    Reaction(Box<ReactionView>),
    /// A reaction was taken away.
    ReactionCleared(SlotView),
    /// A message was pinned.
    Pin(PinView),
    /// A message was unpinned.
    Unpinned(u64),
    /// Somebody joined, got another role, or left.
    Member(MemberView),
}

crate::result! {
    /// A reaction slot.
    pub struct SlotView {
        /// The message.
        number: u64,
        /// Whose.
        account_id: AccountId,
        /// Which slot.
        slot: u8,
    }
}

crate::result! {
    /// Somebody who is, or was, a member.
    pub struct MemberView {
        /// Who.
        account_id: AccountId,
        /// As what.
        role: ConversationRole,
        /// Since when, last.
        joined_at: Timestamp,
        /// When they left; none for members.
        left_at: Option<Timestamp>,
    }
}

crate::result! {
    /// A message that is pinned no more.
    struct Number {
        /// Which.
        number: u64,
    }
}

crate::result! {
    /// What a change is listed by.
    struct Changed {
        /// Where.
        changed: Position,
    }
}

/// A page of changes.
#[derive(Debug)]
pub struct ChangePage {
    /// Every event up to here shows.
    pub position: Position,
    /// Since when the viewer is in it, last: who left before is not told, so that changes behind an earlier position are not all.
    pub joined: Option<Position>,
    /// With the position of each, ascending.
    pub changes: Vec<(Position, Change)>,
}

/// A page behind position `$3`, at most `$4`, for `$1` who is in conversation `$2`.
macro_rules! page {
    ($($select:expr),+ ; $seen:expr ; $alias:literal) => {
        concat!($($select),+, " AND ", $seen, " AND ", $alias, ".position > $3 ORDER BY ", $alias, ".position LIMIT $4")
    };
}

const MESSAGES: &str = page!(
    "SELECT ", message_fields!(), ", m.position, m.position AS changed FROM read.messages AS m LEFT JOIN read.message_pins AS p \
     ON p.conversation_id = m.conversation_id AND p.number = m.number \
     WHERE m.conversation_id = $2 AND (m.edited_at IS NOT NULL OR m.deleted_at IS NOT NULL)";
    seen!("m.number"); "m"
);
const REACTIONS: &str = page!(
    "SELECT r.number, r.account_id, r.slot, r.reaction_id, r.device_id, r.generation, r.encrypted, r.ciphertext, r.reacted_at, \
     r.position AS changed FROM read.message_reactions AS r WHERE r.conversation_id = $2";
    seen!("r.number"); "r"
);
const REACTIONS_CLEARED: &str = page!(
    "SELECT t.number, t.account_id, t.slot, t.position AS changed FROM read.message_reaction_tombstones AS t \
     WHERE t.conversation_id = $2";
    seen!("t.number"); "t"
);
const PINS: &str = page!(
    "SELECT p.number, p.pinned_by, p.pinned_at, p.position AS changed FROM read.message_pins AS p WHERE p.conversation_id = $2";
    seen!("p.number"); "p"
);
const UNPINNED: &str = page!(
    "SELECT t.number, t.position AS changed FROM read.message_pin_tombstones AS t WHERE t.conversation_id = $2";
    seen!("t.number"); "t"
);
const MEMBERS: &str = "SELECT m.account_id, m.role, m.joined_at, m.left_at, m.changed_position AS changed \
     FROM read.conversation_members AS v JOIN read.conversation_members AS m ON m.conversation_id = v.conversation_id \
     WHERE v.conversation_id = $2 AND v.account_id = $1 AND v.left_at IS NULL \
     AND (m.left_at IS NULL OR m.left_position > v.joined_position) \
     AND m.changed_position > $3 ORDER BY m.changed_position LIMIT $4";
const JOINED: &str = "SELECT joined_position AS position FROM read.conversation_members \
     WHERE account_id = $1 AND conversation_id = $2 AND left_at IS NULL";
const PARKED: &str = "SELECT min(position) AS position FROM (SELECT * FROM read.conversations_parked \
     UNION ALL SELECT * FROM read.messages_parked) AS p WHERE p.stream = $1";

/// Changes in a conversation of the viewer, in the order in which they came: all behind the page's position.
///
/// # Errors
/// When PostgreSQL cannot be reached, or the read models are not there.
pub async fn changes(
    reader: &Reader,
    viewer: &Viewer,
    conversation_id: ConversationId,
    page: Page<Position>,
) -> Result<ChangePage, QueryError> {
    let (me, conversation, limit) = (Sql(viewer.account_id), Sql(conversation_id), page.limit());
    let behind = page.after.map_or(-1, |after| i64::try_from(after.get()).unwrap_or(i64::MAX));
    let stream = format!("conversation-{conversation_id}");
    let ask = |sql| Ask { viewer: *viewer, sql, parameters: vec![&me, &conversation, &behind, &limit] };
    let asks = [
        Ask { viewer: *viewer, sql: PARKED, parameters: vec![&stream] },
        Ask { viewer: *viewer, sql: JOINED, parameters: vec![&me, &conversation] },
        ask(MESSAGES),
        ask(REACTIONS),
        ask(REACTIONS_CLEARED),
        ask(PINS),
        ask(UNPINNED),
        ask(MEMBERS),
    ];
    let snapshot = reader.snapshot(CHANGED, &asks).await?;
    let mut answers = snapshot.answers.into_iter();
    let aside = read::<Place>(answers.next())?.into_iter().find_map(|row| row.position);
    let joined = read::<Place>(answers.next())?.into_iter().find_map(|row| row.position);
    let mut changes = Vec::new();
    take(&mut changes, answers.next(), |row: MessageView| Change::Message(Box::new(row)))?;
    take(&mut changes, answers.next(), |row: ReactionView| Change::Reaction(Box::new(row)))?;
    take(&mut changes, answers.next(), Change::ReactionCleared)?;
    take(&mut changes, answers.next(), Change::Pin)?;
    take(&mut changes, answers.next(), |row: Number| Change::Unpinned(row.number))?;
    take(&mut changes, answers.next(), Change::Member)?;
    changes.sort_by_key(|(position, _)| *position);
    changes.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(ChangePage { position: before(snapshot.position, aside), joined, changes })
}

fn take<R: Shape>(
    changes: &mut Vec<(Position, Change)>,
    rows: Option<Vec<tokio_postgres::Row>>,
    change: impl Fn(R) -> Change,
) -> Result<(), QueryError> {
    for row in rows.iter().flatten() {
        changes.push((Changed::read(row)?.changed, change(R::read(row)?)));
    }
    Ok(())
}
