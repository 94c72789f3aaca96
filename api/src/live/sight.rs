//! What one socket sees, event by event: the same judgement while catching up and when joining the live feed.

use std::collections::HashSet;

use domain::{AccountId, ConversationId};
use eventstore_schema::Position;
use projections::conversations::queries::MembershipSpan;

use super::audience::{Audience, Change};
use crate::extract::Identity;

/// The memberships of a socket's account at a position.
#[derive(Clone, Debug)]
pub struct Sight {
    identity: Identity,
    conversations: HashSet<ConversationId>,
}

/// What an event is to a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Not for it.
    Hidden,
    /// To be delivered.
    Shown,
    /// The end: the socket's session or device was revoked.
    Ended,
    /// A membership ended that was not known of: events before were missed.
    Lost,
}

impl Sight {
    /// What the socket sees behind `position`, by memberships that were read at that position or later.
    ///
    /// A row tells the last membership only. Whoever left and joined again since `position` is taken for no member, which
    /// [`Look::Lost`] brings to light.
    pub fn at(identity: Identity, spans: &[MembershipSpan], position: Option<Position>) -> Self {
        let is_member = |span: &&MembershipSpan| {
            Some(span.joined_position) <= position
                && span.left_position.is_none_or(|left| Some(left) > position)
        };
        let conversations = spans.iter().filter(is_member).map(|span| span.conversation_id).collect();
        Self { identity, conversations }
    }

    /// Whose.
    pub fn account(&self) -> AccountId {
        self.identity.account_id
    }

    /// The conversations that it is a member of.
    pub fn conversations(&self) -> &HashSet<ConversationId> {
        &self.conversations
    }

    /// Judges the next event.
    pub fn look(&mut self, audience: &Audience) -> Look {
        let me = self.account();
        match audience.change {
            Some(Change::Joined(conversation, account)) if account == me => {
                self.conversations.insert(conversation);
            }
            Some(Change::Left(conversation, account)) if account == me => {
                if !self.conversations.remove(&conversation) {
                    return Look::Lost;
                }
            }
            Some(Change::Joined(..) | Change::Left(..)) | None => {}
        }
        let is_mine = audience.account == Some(me);
        if !is_mine && !audience.conversation.is_some_and(|id| self.conversations.contains(&id)) {
            return Look::Hidden;
        }
        let hits =
            |ends: super::audience::Ends| ends.hits(me, self.identity.session_id, self.identity.device_id);
        if audience.ends.is_some_and(hits) { Look::Ended } else { Look::Shown }
    }
}
