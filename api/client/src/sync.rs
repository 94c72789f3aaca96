//! What changed while one was away: the conversations it happened in, and what happened inside.

use domain::{AccountId, ConversationId};

use crate::api::{self, dto};
use crate::client::Client;
use crate::error::Error;
use crate::http::Position;
use crate::messages::{Message, Reaction};
use crate::session::Session;

/// What changed for an account.
#[derive(Clone, Debug)]
pub struct Synced {
    /// Behind what; none when everything was asked for.
    pub since: Option<Position>,
    /// Up to where: what the next sync begins behind, and [`Client::live`] resumes after.
    pub position: Position,
    /// Whether everything is here although changes were asked for: what is not here is to be forgotten.
    pub reset: bool,
    /// Conversations in which something changed, as they are now, the newest activity first.
    pub conversations: Vec<dto::SyncedConversation>,
    /// Conversations that one is in no more.
    pub left: Vec<ConversationId>,
    /// How the people are called whom the conversations name.
    pub people: Vec<dto::Person>,
}

/// What changed in a conversation, opened.
#[derive(Clone, Debug)]
pub struct Changes {
    /// Up to where: what the next look begins behind.
    pub position: Position,
    /// Whether everything is here although changes were asked for: what is not here is to be forgotten.
    pub reset: bool,
    /// Messages that were edited or deleted. Deleted ones have no reactions and no pin any more.
    pub messages: Vec<Message>,
    /// Reactions by message, account and slot; none for those that were taken away.
    pub reactions: Vec<(u64, AccountId, u8, Option<Reaction>)>,
    /// Messages that were pinned, or unpinned (none).
    pub pins: Vec<dto::PinChange>,
    /// Who joined, left, or has another role.
    pub members: Vec<dto::MemberChange>,
}

/// All pages of a sync; where `since` is not the account's, of everything. Not before the server shows `seen`.
pub(crate) async fn sync(
    session: &Session,
    since: Option<Position>,
    seen: Option<Position>,
) -> Result<Synced, Error> {
    let first = match api::sync::get(session, since.as_ref(), None, seen.clone()).await {
        Err(error) if error.is("invalid_cursor") && since.is_some() => {
            let whole = api::sync::get(session, None, None, seen).await?;
            dto::SyncPage { reset: true, ..whole }
        }
        first => first?,
    };
    let dto::SyncPage { position, reset, conversations, left, people, mut next_cursor } = first;
    let mut synced = Synced { since, position, reset, conversations, left, people };
    while let Some(cursor) = next_cursor.take() {
        let page = api::sync::get(session, None, Some(&cursor), None).await?;
        synced.conversations.extend(page.conversations);
        synced.left.extend(page.left);
        synced.people.extend(page.people);
        next_cursor = page.next_cursor;
    }
    Ok(synced)
}

impl Client {
    /// What changed since this device synced last, or everything. Where it is taken in, [`Client::keep_synced`] notes it.
    ///
    /// # Errors
    /// [`Error::Api`].
    pub async fn sync(&self) -> Result<Synced, Error> {
        self.sync_since(self.session().store().read(|state| state.synced.clone())).await
    }

    /// What changed behind a place, or everything.
    ///
    /// # Errors
    /// [`Error::Api`].
    pub async fn sync_since(&self, since: Option<Position>) -> Result<Synced, Error> {
        sync(self.session(), since, None).await
    }

    /// Notes in the key store that everything up to there was taken in, for [`Client::sync`].
    ///
    /// # Errors
    /// [`Error::KeyStore`].
    pub fn keep_synced(&self, position: &Position) -> Result<(), Error> {
        self.session().store().update(|state| state.synced = Some(position.clone()))?;
        Ok(())
    }

    /// What changed in a conversation behind a place, or everything. New messages are in
    /// [`crate::messages::Messages::history`].
    ///
    /// # Errors
    /// [`Error::Api`], [`Error::NoDevice`].
    pub async fn changes(&self, id: ConversationId, since: Option<&Position>) -> Result<Changes, Error> {
        let first = api::sync::changes(self.session(), id, since, None).await?;
        let mut changes = Changes {
            position: first.position.clone(),
            reset: first.reset,
            messages: Vec::new(),
            reactions: Vec::new(),
            pins: Vec::new(),
            members: Vec::new(),
        };
        let mut page = first;
        loop {
            for row in page.messages {
                changes.messages.push(self.messages().open_row(id, row).await?);
            }
            for dto::ReactionChange { number, account_id, slot, reaction } in page.reactions {
                let reaction = match reaction {
                    Some(row) => Some(self.messages().open_reaction(id, number, row).await?),
                    None => None,
                };
                changes.reactions.push((number, account_id, slot, reaction));
            }
            changes.pins.extend(page.pins);
            changes.members.extend(page.members);
            let Some(cursor) = page.next_cursor else { return Ok(changes) };
            page = api::sync::changes(self.session(), id, None, Some(&cursor)).await?;
        }
    }
}
