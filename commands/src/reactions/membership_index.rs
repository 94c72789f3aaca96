//! Keeps which conversations and workspaces an account is a member of: streams are named by conversation and workspace, and
//! what happens to an account has to reach all of its own.

use async_trait::async_trait;
use domain::conversation::ConversationEvent;
use domain::workspace::WorkspaceEvent;
use domain::{AccountId, Event, WorkspaceId};
use eventstore_schema::RecordedEvent;
use eventstore_schema::database::Pool;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::indexes::Change;
use super::{Lead, Reaction, ReactionError, store};

/// Its name: reactions that read the index follow it.
pub(super) const NAME: &str = "membership_index";

/// Names of the events that make and take away rows.
pub(super) const EVENT_TYPES: &[&str] = &[
    "conversation.member_joined",
    "conversation.member_left",
    "conversation.deleted",
    "workspace.member_joined",
    "workspace.member_removed",
];

/// The reaction.
pub(super) struct MembershipIndex;

/// The organization of an event, and where it stands in the log.
fn place(event: &RecordedEvent) -> Result<(Uuid, i64), ReactionError> {
    let Some(organization) = event.origin.organization_id else {
        return Err(ReactionError::Failed("a membership without organization".to_owned()));
    };
    Ok((organization.as_uuid(), store::stored(event.position)?))
}

#[async_trait]
impl Reaction for MembershipIndex {
    fn name(&self) -> &'static str {
        NAME
    }

    fn event_types(&self) -> &'static [&'static str] {
        EVENT_TYPES
    }

    async fn react(&self, lead: &Lead, recorded: &RecordedEvent, event: &Event) -> Result<(), ReactionError> {
        match change(recorded, event)? {
            Some(change) => lead.write(change.sql, &change.values()).await.map(|_| ()),
            None => Ok(()),
        }
    }
}

/// What an event changes in the index.
pub(super) fn change(recorded: &RecordedEvent, event: &Event) -> Result<Option<Change>, ReactionError> {
    let stream = Box::new(recorded.stream.id);
    Ok(Some(match event {
        Event::Conversation(ConversationEvent::MemberJoined(event)) => {
            let (organization, position) = place(recorded)?;
            let workspace = event.workspace.map(|workspace| workspace.workspace_id.as_uuid());
            let sql = "INSERT INTO write.conversation_members_by_account \
                 (account_id, conversation_id, organization_id, workspace_id, position) \
                 VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (account_id, conversation_id) DO UPDATE SET position = excluded.position";
            let account = Box::new(event.account_id.as_uuid());
            let place = (Box::new(organization), Box::new(workspace), Box::new(position));
            Change::new(sql, vec![account, stream, place.0, place.1, place.2])
        }
        Event::Conversation(ConversationEvent::MemberLeft(event)) => {
            let sql = "DELETE FROM write.conversation_members_by_account \
                       WHERE account_id = $1 AND conversation_id = $2";
            Change::new(sql, vec![Box::new(event.account_id.as_uuid()), stream])
        }
        Event::Conversation(ConversationEvent::Deleted(_)) => {
            let sql = "DELETE FROM write.conversation_members_by_account WHERE conversation_id = $1";
            Change::new(sql, vec![stream])
        }
        Event::Workspace(WorkspaceEvent::MemberJoined(event)) => {
            let (organization, position) = place(recorded)?;
            let sql = "INSERT INTO write.workspace_members_by_account \
                 (account_id, workspace_id, organization_id, position) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (account_id, workspace_id) DO UPDATE SET position = excluded.position";
            let account = Box::new(event.account_id.as_uuid());
            Change::new(sql, vec![account, stream, Box::new(organization), Box::new(position)])
        }
        Event::Workspace(WorkspaceEvent::MemberRemoved(event)) => {
            let sql = "DELETE FROM write.workspace_members_by_account \
                       WHERE account_id = $1 AND workspace_id = $2";
            Change::new(sql, vec![Box::new(event.account_id.as_uuid()), stream])
        }
        _ => return Ok(None),
    }))
}

/// Which memberships are meant.
#[derive(Clone, Copy)]
pub(super) enum Memberships {
    Conversations,
    Workspaces,
}

impl Memberships {
    /// The streams that an account is a member of.
    pub(super) async fn of_account(
        self,
        pool: &Pool,
        account: AccountId,
    ) -> Result<Vec<Uuid>, ReactionError> {
        let sql = match self {
            Memberships::Conversations => {
                "SELECT conversation_id FROM write.conversation_members_by_account WHERE account_id = $1"
            }
            Memberships::Workspaces => {
                "SELECT workspace_id FROM write.workspace_members_by_account WHERE account_id = $1"
            }
        };
        read(pool, sql, &[&account.as_uuid()]).await
    }

    /// The streams of one organization that an account became a member of before an event.
    pub(super) async fn before(
        self,
        pool: &Pool,
        account: AccountId,
        event: &RecordedEvent,
    ) -> Result<Vec<Uuid>, ReactionError> {
        let sql = match self {
            Memberships::Conversations => {
                "SELECT conversation_id FROM write.conversation_members_by_account \
                 WHERE account_id = $1 AND organization_id = $2 AND position < $3"
            }
            Memberships::Workspaces => {
                "SELECT workspace_id FROM write.workspace_members_by_account \
                 WHERE account_id = $1 AND organization_id = $2 AND position < $3"
            }
        };
        let position = store::stored(event.position)?;
        read(pool, sql, &[&account.as_uuid(), &event.stream.id, &position]).await
    }
}

/// The conversations of a workspace that an account is a member of.
pub(super) async fn conversations_in_workspace(
    pool: &Pool,
    account: AccountId,
    workspace: WorkspaceId,
) -> Result<Vec<Uuid>, ReactionError> {
    let sql = "SELECT conversation_id FROM write.conversation_members_by_account \
               WHERE account_id = $1 AND workspace_id = $2";
    read(pool, sql, &[&account.as_uuid(), &workspace.as_uuid()]).await
}

async fn read(pool: &Pool, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Uuid>, ReactionError> {
    let client = pool.get().await?;
    let statement = client.prepare_cached(sql).await?;
    let rows = client.query(&statement, values).await?;
    Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
}
