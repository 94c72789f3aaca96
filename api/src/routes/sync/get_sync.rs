//! `GET /v1/sync`

use std::collections::{BTreeMap, BTreeSet};

use domain::{AccountId, ConversationId};
use projections::Reader;
use projections::conversations::queries::ConversationView;
use projections::sync::{ActivityKey, SyncPage, Synced, organizations, sync};

use super::{PersonAnswer, SyncedConversation, conversations, people};
use crate::access;
use crate::extract::Page;
use crate::limits::SYNC_LOOKS_MAX;
use crate::problem::Code;
use crate::since::Run;

use crate::endpoint::prelude::*;

/// What of.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetSyncQuery {
    /// What changed behind this `position` only; everything when absent.
    pub since: Option<String>,
    /// Where the page begins: `next_cursor` of the page before. It says `since`, too.
    pub cursor: Option<String>,
    /// Most conversations, 1 to 200; 50 when absent.
    pub limit: Option<u32>,
}

/// The account's conversations, or what changed of them.
#[derive(Serialize, JsonSchema)]
pub struct GetSyncAnswer {
    /// Everything that happened up to here shows: for the next `since`, for `resume_after` of a live socket, and as
    /// `Envoi-Min-Position`. The same on all pages.
    pub position: String,
    /// Whether everything is answered although changes were asked for: what is on none of the pages is to be forgotten.
    pub reset: bool,
    /// By their last activity, the newest first.
    pub conversations: Vec<SyncedConversation>,
    /// Conversations that the caller is in no more, or that were deleted.
    pub left: Vec<ConversationId>,
    /// Names of who sent last messages, and of the others in direct conversations.
    pub people: Vec<PersonAnswer>,
    /// Where the next page begins; absent when this is the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// See [`Endpoint::ABOUT`].
pub struct GetSync;

impl Endpoint for GetSync {
    const ABOUT: About = About::get(
        "sync.get_sync",
        "/v1/sync",
        "Shows the caller's conversations, or what changed of them.\n\nIn all organizations. Without `since` all of them, each with its last message, what is unread and the names that go with it. With `since`, those in which anything changed behind it, whole again, and those that the caller left; what changed inside is for `/v1/conversations/{conversation_id}/changes` and the lists. A `since` of another log, or from more than 30 days ago, is answered with everything and `\"reset\": true`. What happens between two pages comes behind `position`.",
    )
    .who(who::ACCOUNTS)
    .reads(projections::sync::SYNCED);
    type Caller = Authenticated;
    type Intent = Query;
    type Path = Nothing;
    type Query = GetSyncQuery;
    type Body = Nothing;
    type Answer = GetSyncAnswer;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<GetSyncAnswer>, Problem> {
        let account_id = input.caller.account_id;
        let GetSyncQuery { since, cursor, limit } = input.query;
        let reader = &input.intent.reader;
        let mut run =
            Run::<ActivityKeyText>::read::<Self>(state, account_id, since.as_deref(), cursor.as_deref())
                .await?;
        let page = Page::at(run.after.map(ActivityKey::from), limit)?;
        let found = look(state, reader, account_id, &run, &page).await?;
        let last = found.conversations.last().map(|one| ActivityKeyText::from(one.key()));
        let last = last.filter(|_| page.is_filled_by(found.conversations.len()));
        let position = run.place(state, account_id, found.position)?;
        let (there, left) = judged(state, account_id, found.conversations).await?;
        let conversations = conversations(state, there).await?;
        let named: BTreeSet<_> = conversations.iter().flat_map(SyncedConversation::people).collect();
        let people = people(state, reader, account_id, named.into_iter().collect()).await?;
        let left = if run.since().is_some() { left } else { Vec::new() };
        let next_cursor = last.map(|last| run.next::<Self>(state, account_id, last)).transpose()?;
        let reset = run.reset;
        Ok(Reply::new(GetSyncAnswer { position, reset, conversations, left, people, next_cursor }))
    }
}

/// [`ActivityKey`] as a cursor holds it.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct ActivityKeyText(u64, ConversationId);

impl From<ActivityKey> for ActivityKeyText {
    fn from((position, id): ActivityKey) -> Self {
        Self(position.get(), id)
    }
}

impl From<ActivityKeyText> for ActivityKey {
    fn from(ActivityKeyText(position, id): ActivityKeyText) -> Self {
        (eventstore_schema::Position::new(position), id)
    }
}

/// A page of what the account may see in the organizations that it is a member of now. Those that it joined meanwhile are
/// looked at before anything is answered.
async fn look(
    state: &State,
    reader: &Reader,
    account_id: AccountId,
    run: &Run<ActivityKeyText>,
    page: &Page<ActivityKey>,
) -> Result<SyncPage, Problem> {
    let mut known = organizations(reader, account_id).await?;
    for _ in 0..SYNC_LOOKS_MAX {
        let members = access::memberships(state, account_id, known.clone(), |id| *id).await?;
        let found = sync(reader, account_id, &members, run.since(), page.query()).await?;
        if found.organizations.iter().all(|id| known.contains(id)) {
            return Ok(found);
        }
        known = found.organizations;
    }
    Err(Code::Behind.into())
}

type There = (ConversationView, projections::sync::Activity);

/// Which of these the account is in by terms that go on, and which it is in no more.
async fn judged(
    state: &State,
    account_id: AccountId,
    all: Vec<Synced>,
) -> Result<(Vec<There>, Vec<ConversationId>), Problem> {
    let (mut there, mut left) = (Vec::new(), Vec::new());
    let mut by_organization: BTreeMap<_, Vec<ConversationView>> = BTreeMap::new();
    for one in all {
        match one {
            Synced::There(row) => {
                by_organization.entry(row.0.organization_id).or_default().push(row.0.clone());
                there.push(*row);
            }
            Synced::Ended(id, _) => left.push(id),
        }
    }
    let mut goes_on = BTreeSet::new();
    for (organization_id, views) in by_organization {
        let reading = match access::organization(state, account_id, organization_id).await {
            Ok(reading) => reading,
            // Removed since the rows were looked at.
            Err(problem) if problem.code() == "organization_not_found" => continue,
            Err(problem) => return Err(problem),
        };
        let views = access::conversations(state, &reading, views).await?;
        goes_on.extend(views.into_iter().map(|view| view.conversation_id));
    }
    let (there, ended): (Vec<_>, Vec<_>) =
        there.into_iter().partition(|(view, _)| goes_on.contains(&view.conversation_id));
    left.extend(ended.into_iter().map(|(view, _)| view.conversation_id));
    Ok((there, left))
}
