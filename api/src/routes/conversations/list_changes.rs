//! `GET /v1/conversations/{conversation_id}/changes`

use super::ConversationPath;
use super::list_members::MemberAnswer;
use crate::access;
use crate::extract::Page;
use crate::names::Names;
use crate::routes::messages::MessageAnswer;
use crate::routes::messages::list_pins::PinAnswer;
use crate::routes::messages::list_reactions::ReactionAnswer;
use crate::since::Run;
use domain::AccountId;
use domain::conversation::MessageBody;
use eventstore_schema::Position;
use projections::Reader;
use projections::messages::changes::{Change, changes};

use crate::endpoint::prelude::*;

/// Which ones.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListChangesQuery {
    /// Those behind this position, as `/v1/sync` and commands answer it; all when absent.
    pub since: Option<String>,
    /// Where the page begins: `next_cursor` of the page before. It says `since`, too.
    pub cursor: Option<String>,
    /// Most changes, 1 to 200; 50 when absent.
    pub limit: Option<u32>,
}

/// A reaction slot.
#[derive(Serialize, JsonSchema)]
pub struct ReactionChange {
    /// Number of the message.
    pub number: u64,
    /// Whose.
    pub account_id: AccountId,
    /// Which slot.
    pub slot: u8,
    /// What it holds; null when the reaction was taken away.
    pub reaction: Option<ReactionAnswer>,
}

/// A message that was pinned or unpinned.
#[derive(Serialize, JsonSchema)]
pub struct PinChange {
    /// Number of the message.
    pub number: u64,
    /// The pin; null when it was unpinned.
    pub pin: Option<PinAnswer>,
}

/// Somebody who joined, got another role, or left.
#[derive(Serialize, JsonSchema)]
pub struct MemberChange {
    /// Who.
    pub account_id: AccountId,
    /// The member; null when they left.
    pub member: Option<MemberAnswer>,
}

/// What changed, as it is now.
#[derive(Serialize, JsonSchema)]
pub struct ListChangesAnswer {
    /// Everything that happened up to here shows: for the next `since`. The same on all pages.
    pub position: String,
    /// Whether everything is answered although changes were asked for: what is on none of the pages is to be forgotten.
    pub reset: bool,
    /// Messages that were edited or deleted. A deleted one has no reactions and no pin any more.
    pub messages: Vec<MessageAnswer>,
    /// Reactions that were set or taken away.
    pub reactions: Vec<ReactionChange>,
    /// Messages that were pinned or unpinned.
    pub pins: Vec<PinChange>,
    /// Who joined, left, or has another role.
    pub members: Vec<MemberChange>,
    /// Where the next page begins; absent when this is the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// See [`Endpoint::ABOUT`].
pub struct ListChanges;

impl Endpoint for ListChanges {
    const ABOUT: About = About::get(
        "conversations.list_changes",
        "/v1/conversations/{conversation_id}/changes",
        "Lists what changed in a conversation.\n\nEdits, deletions, reactions, pins and members behind `since`, as they are now and not as they came; without it, all. New messages are in their list. A `since` of another log, from more than 30 days ago, or from before the caller joined, is answered with everything and `\"reset\": true`.",
    )
    .who(who::PARTICIPANTS)
    .errors(&["conversation_not_found"])
    .reads(&["conversations", "messages", "accounts", "organizations", "workspaces"]);
    type Caller = Authenticated;
    type Intent = Query;
    type Path = ConversationPath;
    type Query = ListChangesQuery;
    type Body = Nothing;
    type Answer = ListChangesAnswer;

    async fn handle(state: &State, input: Input<Self>) -> Result<Reply<ListChangesAnswer>, Problem> {
        let (account_id, conversation_id) = (input.caller.account_id, input.path.conversation_id);
        let viewer = access::conversation(state, account_id, conversation_id).await?;
        let ListChangesQuery { since, cursor, limit } = input.query;
        let mut run =
            Run::<u64>::read::<Self>(state, account_id, since.as_deref(), cursor.as_deref()).await?;
        let reader = &input.intent.reader;
        let behind = |run: &Run<u64>| run.after.map(Position::new).or(run.since());
        let mut page = Page::at(behind(&run), limit)?;
        let mut found = changes(reader, &viewer, conversation_id, page.query()).await?;
        // Who left before the caller joined is not told.
        if run.since().is_some() && found.joined > run.since() {
            run = run.anew();
            page = Page::at(behind(&run), limit)?;
            found = changes(reader, &viewer, conversation_id, page.query()).await?;
        }
        let last = found.changes.last().map(|(position, _)| position.get());
        let last = last.filter(|_| page.is_filled_by(found.changes.len()));
        let position = run.place(state, account_id, found.position)?;
        let (reset, is_whole) = (run.reset, run.since().is_none());
        let next_cursor = last.map(|last| run.next::<Self>(state, account_id, last)).transpose()?;
        let mut answer = ListChangesAnswer {
            position,
            reset,
            messages: Vec::new(),
            reactions: Vec::new(),
            pins: Vec::new(),
            members: Vec::new(),
            next_cursor,
        };
        let changes = found.changes.into_iter().map(|(_, change)| change);
        let changes = changes.filter(|change| !is_whole || !is_gone(change));
        answer.take(state, (reader, account_id), changes).await?;
        Ok(Reply::new(answer))
    }
}

/// Whether it tells only that something is there no more.
fn is_gone(change: &Change) -> bool {
    match change {
        Change::ReactionCleared(_) | Change::Unpinned(_) => true,
        Change::Member(row) => row.left_at.is_some(),
        Change::Message(_) | Change::Reaction(_) | Change::Pin(_) => false,
    }
}

impl ListChangesAnswer {
    /// Takes in a page of changes; the keys of all contents are fetched together, and of all names.
    async fn take(
        &mut self,
        state: &State,
        (reader, caller): (&Reader, AccountId),
        changes: impl Iterator<Item = Change>,
    ) -> Result<(), Problem> {
        let (mut messages, mut reactions, mut members) = (Vec::new(), Vec::new(), Vec::new());
        for change in changes {
            match change {
                Change::Message(row) => messages.push(*row),
                Change::Reaction(row) => reactions.push(*row),
                Change::ReactionCleared(row) => self.reactions.push(ReactionChange {
                    number: row.number,
                    account_id: row.account_id,
                    slot: row.slot,
                    reaction: None,
                }),
                Change::Pin(row) => {
                    let number = row.number;
                    self.pins.push(PinChange { number, pin: Some(PinAnswer::from(row)) });
                }
                Change::Unpinned(number) => self.pins.push(PinChange { number, pin: None }),
                Change::Member(row) => members.push(row),
            }
        }
        let present = members.iter().filter(|row| row.left_at.is_none()).map(|row| row.account_id);
        let names = Names::of(state, reader, caller, present).await?;
        self.members.extend(members.into_iter().map(|row| {
            let (account_id, role, joined_at) = (row.account_id, row.role, row.joined_at);
            let member = MemberAnswer { account_id, name: names.get(account_id), role, joined_at };
            MemberChange { account_id, member: Some(member).filter(|_| row.left_at.is_none()) }
        }));
        self.messages = MessageAnswer::all(state, messages).await?;
        let bodies = state.open::<MessageBody>(reactions.iter().map(|row| row.ciphertext.clone())).await?;
        self.reactions.extend(reactions.into_iter().zip(bodies).map(|(row, body)| ReactionChange {
            number: row.number,
            account_id: row.account_id,
            slot: row.slot,
            reaction: Some(ReactionAnswer::from((row, body))),
        }));
        Ok(())
    }
}
