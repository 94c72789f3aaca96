//! What changed for an account: its conversations by their last activity, of one moment, with the position up to where that is
//! known. What changed behind it is asked for by that position.

use std::cmp::Reverse;

use domain::{AccountId, ConversationId, MessageId, OrganizationId, Timestamp};
use eventstore_schema::Position;
use tokio_postgres::types::ToSql;

use crate::cell::Sql;
use crate::conversations::queries::{ConversationView, conversation_fields};
use crate::reader::{Ask, Page, QueryError, Reader, Shape, Viewer};

/// The projections that a sync looks at.
pub const SYNCED: &[&str] = &["accounts", "conversations", "messages", "organizations", "workspaces"];
/// Messages of others are counted as unread among so many of the newest.
pub const UNREAD_MAX: u32 = 100;

type Parameter<'a> = &'a (dyn ToSql + Sync);

/// What conversations are ordered by, descending: the last activity, then the id.
pub type ActivityKey = (Position, ConversationId);

crate::result! {
    /// What a sync shows of a conversation beside its [`ConversationView`].
    pub struct Activity {
        /// Position of its last message, or of what opened it to the account.
        sort_position: Position,
        /// Whether the account is in it no more, or it was deleted: nothing else of it may be shown then.
        ended: bool,
        /// Messages have numbers above this one: the others are hidden from the account, or went with an earlier deletion.
        visible_after: u64,
        /// The other member of a direct conversation.
        direct_with: Option<AccountId>,
        /// Its last message, as its sender named it.
        last_message_id: Option<MessageId>,
        /// Who sent that.
        last_sender_id: Option<AccountId>,
        /// When it was edited last.
        last_edited_at: Option<Timestamp>,
        /// When it was deleted.
        last_deleted_at: Option<Timestamp>,
        /// Messages of others behind the read mark, among the newest [`UNREAD_MAX`].
        unread: u64,
    }
}

crate::result! {
    /// A conversation that ended for the account.
    struct Ended {
        /// Which.
        conversation_id: ConversationId,
        /// What it is listed by.
        activity_position: Position,
    }
}

crate::result! {
    /// An organization.
    struct Organization {
        /// Which.
        organization_id: OrganizationId,
    }
}

crate::result! {
    /// A place in the log, if there is one.
    pub(crate) struct Place {
        /// Where.
        position: Option<Position>,
    }
}

/// A conversation of a sync.
#[derive(Clone, Debug, PartialEq)]
pub enum Synced {
    /// The account is in it, as far as read models know.
    There(Box<(ConversationView, Activity)>),
    /// It is in it no more.
    Ended(ConversationId, Position),
}

impl Synced {
    /// What it is listed by.
    pub fn key(&self) -> ActivityKey {
        match self {
            Synced::There(there) => (there.1.sort_position, there.0.conversation_id),
            Synced::Ended(id, activity) => (*activity, *id),
        }
    }
}

/// A page of a sync.
#[derive(Debug)]
pub struct SyncPage {
    /// Every event up to here shows.
    pub position: Position,
    /// By their last activity, the newest first.
    pub conversations: Vec<Synced>,
    /// Organizations of the account's conversations, also of those that it left.
    pub organizations: Vec<OrganizationId>,
}

/// The organizations in which the account is or was in a conversation.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn organizations(
    reader: &Reader,
    account_id: AccountId,
) -> Result<Vec<OrganizationId>, QueryError> {
    let viewer = Viewer { account_id, organization_id: None };
    let found: Vec<Organization> = reader.all(&viewer, ORGANIZATIONS, &[&Sql(account_id)]).await?;
    Ok(found.into_iter().map(|row| row.organization_id).collect())
}

const ORGANIZATIONS: &str =
    "SELECT DISTINCT organization_id FROM read.conversation_members WHERE account_id = $1";
const PARKED: &str = include_str!("sync/parked.sql");
const ENDED: &str = include_str!("sync/ended.sql");
const CONVERSATIONS: &str = concat!(
    "WITH page AS MATERIALIZED (",
    include_str!("sync/page.sql"),
    ") SELECT ",
    conversation_fields!(),
    include_str!("sync/conversations.sql")
);

/// Conversations of the account in organizations that it is a member of now, `members`: all, or what changed behind `since`. In
/// other organizations only what ended is told.
///
/// # Errors
/// When PostgreSQL cannot be reached, or the read models are not there.
pub async fn sync(
    reader: &Reader,
    account_id: AccountId,
    members: &[OrganizationId],
    since: Option<Position>,
    page: Page<ActivityKey>,
) -> Result<SyncPage, QueryError> {
    const LAST: ActivityKey =
        (Position::new(i64::MAX.cast_unsigned()), ConversationId::from_bytes([u8::MAX; 16]));
    let outside = Viewer { account_id, organization_id: None };
    let (me, (activity, id)) = (Sql(account_id), page.after.unwrap_or(LAST));
    let (activity, id, limit, unread) = (Sql(activity), Sql(id), page.limit(), i64::from(UNREAD_MAX));
    let behind = since.map_or(-1, |since| i64::try_from(since.get()).unwrap_or(i64::MAX));
    let (ids, inside): (Vec<uuid::Uuid>, Vec<_>) = members.iter().map(|id| (id.as_uuid(), Sql(*id))).unzip();
    let mut asks = vec![
        Ask { viewer: outside, sql: ORGANIZATIONS, parameters: vec![&me] },
        Ask { viewer: outside, sql: PARKED, parameters: vec![&me] },
    ];
    if since.is_some() {
        let parameters: Vec<Parameter<'_>> = vec![&me, &behind, &activity, &id, &limit, &ids];
        asks.push(Ask { viewer: outside, sql: ENDED, parameters });
    }
    for organization in &inside {
        let viewer = Viewer { account_id, organization_id: Some(organization.0) };
        let parameters: Vec<Parameter<'_>> =
            vec![&me, &behind, &activity, &id, &limit, organization, &unread];
        asks.push(Ask { viewer, sql: CONVERSATIONS, parameters });
    }
    let snapshot = reader.snapshot(SYNCED, &asks).await?;
    let mut answers = snapshot.answers.into_iter();
    let organizations = read::<Organization>(answers.next())?;
    let aside = read::<Place>(answers.next())?.into_iter().find_map(|row| row.position);
    let ended = if since.is_some() { read::<Ended>(answers.next())? } else { Vec::new() };
    let mut conversations: Vec<_> =
        ended.into_iter().map(|row| Synced::Ended(row.conversation_id, row.activity_position)).collect();
    for rows in answers {
        for row in &rows {
            let there = (ConversationView::read(row)?, Activity::read(row)?);
            conversations.push(match there.1.ended {
                true => Synced::Ended(there.0.conversation_id, there.1.sort_position),
                false => Synced::There(Box::new(there)),
            });
        }
    }
    conversations.sort_unstable_by_key(|one| Reverse(one.key()));
    conversations.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let organizations = organizations.into_iter().map(|row| row.organization_id).collect();
    Ok(SyncPage { position: before(snapshot.position, aside), conversations, organizations })
}

/// The last position before what was set aside: when that is folded in the end, its rows have its position.
pub(crate) fn before(position: Position, aside: Option<Position>) -> Position {
    aside.map_or(position, |aside| position.min(Position::new(aside.get().saturating_sub(1))))
}

/// Reads the rows of an answer.
pub(crate) fn read<R: Shape>(rows: Option<Vec<tokio_postgres::Row>>) -> Result<Vec<R>, QueryError> {
    rows.unwrap_or_default().iter().map(R::read).collect()
}
