//! What an account needs to show itself after it was away.

use domain::account::AccountProfile;
use domain::{AccountId, MessageId, Timestamp};
use eventstore_schema::Opened;
use projections::accounts::queries::{ProfileView, profiles};
use projections::conversations::queries::ConversationView;
use projections::sync::Activity;
use projections::{Reader, Viewer};
use schemars::JsonSchema;
use serde::Serialize;

use super::conversations::ConversationAnswer;
use crate::problem::Problem;
use crate::state::State;

pub mod get_sync;

/// A conversation with what a list of conversations shows of it.
#[derive(Serialize, JsonSchema)]
pub struct SyncedConversation {
    /// The conversation.
    pub conversation: ConversationAnswer,
    /// The other member of a direct conversation.
    pub direct_with: Option<AccountId>,
    /// Its last message; null when there is none.
    pub last_message: Option<LastMessage>,
    /// Messages of others behind `read_up_to` that were not deleted, counted among the newest 100.
    pub unread: u64,
    /// Its messages have numbers above this one: those up to it are hidden from the caller, or went with an earlier deletion; what was
    /// kept of them is to be forgotten.
    pub visible_after: u64,
}

/// A conversation's last message, without its content.
#[derive(Serialize, JsonSchema)]
pub struct LastMessage {
    /// Its number.
    pub number: u64,
    /// Its id.
    pub message_id: MessageId,
    /// Who sent it.
    pub sender_id: AccountId,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// When its content was replaced last.
    pub edited_at: Option<Timestamp>,
    /// When it was deleted for everyone.
    pub deleted_at: Option<Timestamp>,
}

/// How somebody is called.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Person")]
pub struct PersonAnswer {
    /// Who.
    pub account_id: AccountId,
    /// Name to show; null when erased.
    pub display_name: Option<String>,
    /// Whether it was erased.
    pub erased: bool,
}

impl SyncedConversation {
    fn new(conversation: ConversationAnswer, activity: Activity) -> Self {
        let named = activity.last_message_id.zip(activity.last_sender_id).zip(conversation.last_sent_at);
        let last_message = named.map(|((message_id, sender_id), sent_at)| LastMessage {
            number: conversation.last_number,
            message_id,
            sender_id,
            sent_at,
            edited_at: activity.last_edited_at,
            deleted_at: activity.last_deleted_at,
        });
        let Activity { direct_with, unread, visible_after, .. } = activity;
        Self { conversation, direct_with, last_message, unread, visible_after }
    }

    /// The accounts that it names.
    fn people(&self) -> impl Iterator<Item = AccountId> {
        let sender = self.last_message.as_ref().map(|message| message.sender_id);
        sender.into_iter().chain(self.direct_with)
    }
}

/// Opens a page of rows.
async fn conversations(
    state: &State,
    rows: Vec<(ConversationView, Activity)>,
) -> Result<Vec<SyncedConversation>, Problem> {
    let (views, activities): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
    let answers = ConversationAnswer::all(state, views).await?;
    Ok(answers
        .into_iter()
        .zip(activities)
        .map(|(one, activity)| SyncedConversation::new(one, activity))
        .collect())
}

/// Names of these accounts, as far as the caller may read their profiles.
async fn people(
    state: &State,
    reader: &Reader,
    account_id: AccountId,
    of: Vec<AccountId>,
) -> Result<Vec<PersonAnswer>, Problem> {
    let viewer = Viewer { account_id, organization_id: None };
    let rows = profiles(reader, &viewer, &of).await?;
    let opened = state.open::<AccountProfile>(rows.iter().map(|row| row.profile.clone())).await?;
    let show = |(row, profile): (ProfileView, Opened<_>)| {
        let erased = profile == Opened::Erased;
        let profile: Option<AccountProfile> = profile.clear();
        PersonAnswer {
            account_id: row.account_id,
            display_name: profile.map(|profile| profile.display_name),
            erased,
        }
    };
    Ok(rows.into_iter().zip(opened).map(show).collect())
}
