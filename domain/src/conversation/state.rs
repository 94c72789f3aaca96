//! What a conversation's events have made of it: as much as its rules need, and nothing personal.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::persistent::{self, OrdMap, OrdSet, Vector};
use crate::{
    AccountId, AccountRecipient, Aggregate, Category, Context, ConversationId, Digest, Draft, MessageId,
    OrganizationId, RecipientId, Rejection, Timestamp, Violation, WorkspaceId, limits,
};

use super::binding::Transcript;
use super::check;
use super::commands::ConversationCommand;
use super::message_entry::MessageEntry;
use super::{
    ConversationCreated, ConversationEvent, ConversationKind, ConversationMemberJoined, ConversationReopened,
    ConversationRole, Earlier, GenerationCommitted, HistoryVisibility, MessageSent, Recipient, Standing,
    Suite, Terms,
};

/// What was settled when the conversation was opened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Origin {
    conversation_id: ConversationId,
    organization_id: OrganizationId,
    workspace_id: Option<WorkspaceId>,
    kind: ConversationKind,
    allows_plaintext: bool,
}

/// A member.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Member {
    role: ConversationRole,
    /// Revision of the event by which they joined: orders members by how long they have been here.
    joined: u64,
    /// Number of the last message before they joined.
    last_number: u64,
    terms: Terms,
}

/// The generation committed last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Generation {
    number: u32,
    suite: Suite,
    transcript: Digest,
    /// Somebody who holds its key has left since: nothing is sent under it any more.
    stale: bool,
}

/// A conversation's state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Conversation {
    origin: Option<Origin>,
    /// Whether members see what was before they joined.
    history_for_all: bool,
    deleted: bool,
    /// Messages up to this number went with an earlier deletion.
    deleted_up_to: u64,
    #[serde(deserialize_with = "persistent::map")]
    members: OrdMap<AccountId, Member>,
    /// How many events there were: the revision of the next one.
    events: u64,
    had_members: bool,
    /// The active recipients: those of current members, in the order that transcripts and commits list them.
    #[serde(deserialize_with = "persistent::map")]
    recipients: OrdMap<AccountRecipient, Recipient>,
    generation: Option<Generation>,
    /// Active recipients without a wrap of the current generation that they can open.
    #[serde(deserialize_with = "persistent::set")]
    waiting: OrdSet<AccountRecipient>,
    /// Everybody who ever sent a message, with the index that message entries carry.
    #[serde(deserialize_with = "persistent::map")]
    authors: OrdMap<AccountId, u32>,
    /// The same, by that index.
    #[serde(deserialize_with = "persistent::list")]
    authors_by_index: Vector<AccountId>,
    /// Message `number` stands at index `number - 1`.
    #[serde(deserialize_with = "persistent::list")]
    messages: Vector<MessageEntry>,
    #[serde(deserialize_with = "persistent::set")]
    pins: OrdSet<u64>,
}

impl Aggregate for Conversation {
    const CATEGORY: Category = Category::Conversation;
    const STATE_VERSION: u16 = 5;
    type Id = ConversationId;
    type Event = ConversationEvent;
    type Command = ConversationCommand;

    fn decide(
        &self,
        command: &Self::Command,
        context: &Context,
    ) -> Result<Vec<Draft<Self::Event>>, Rejection> {
        command.decide(self, context)
    }

    fn id_of(event: &Self::Event) -> Self::Id {
        check::id_of(event)
    }

    fn check(&self, event: &Self::Event) -> Result<(), Violation> {
        check::check(self, event)
    }

    fn evolve(&mut self, event: &Self::Event, _at: Timestamp) {
        match event {
            ConversationEvent::Created(event) => self.create(event),
            ConversationEvent::HistoryVisibilityChanged(event) => {
                self.history_for_all = event.history_visibility == HistoryVisibility::All;
            }
            ConversationEvent::MemberJoined(event) => self.join(event),
            ConversationEvent::MemberRoleChanged(event) => {
                if let Some(member) = self.members.get_mut(&event.account_id) {
                    member.role = event.role;
                }
            }
            ConversationEvent::MemberLeft(event) => self.leave(event.account_id),
            ConversationEvent::RecipientAdded(event) => {
                self.add_recipient(event.account_id, &event.recipient)
            }
            ConversationEvent::RecipientRemoved(event) => {
                self.remove_recipient(AccountRecipient::new(event.account_id, event.recipient_id));
                self.make_stale();
            }
            ConversationEvent::GenerationCommitted(event) => self.commit(event),
            ConversationEvent::WrapAdded(event) => {
                self.waiting.remove(&event.wrap.recipient());
            }
            ConversationEvent::WrapReported(event) => {
                self.waiting.insert(AccountRecipient::new(event.account_id, event.recipient_id));
            }
            ConversationEvent::MessageSent(event) => self.append_message(event),
            ConversationEvent::MessageDeleted(event) => {
                if let Some(entry) = index_of(event.number).and_then(|index| self.messages.get_mut(index)) {
                    entry.delete();
                }
            }
            ConversationEvent::MessagePinned(event) => {
                self.pins.insert(event.number);
            }
            ConversationEvent::MessageUnpinned(event) => {
                self.pins.remove(&event.number);
            }
            ConversationEvent::Deleted(_) => self.deleted = true,
            ConversationEvent::Reopened(event) => self.reopen(event),
            ConversationEvent::TitleChanged(_)
            | ConversationEvent::MessageEdited(_)
            | ConversationEvent::ReactionSet(_)
            | ConversationEvent::ReactionCleared(_) => {}
        }
        self.events += 1;
    }

    fn organization(&self) -> Option<OrganizationId> {
        self.origin.as_ref().map(|origin| origin.organization_id)
    }
}

/// What evolving does.
impl Conversation {
    fn create(&mut self, event: &ConversationCreated) {
        self.history_for_all = event.history_visibility == HistoryVisibility::All;
        self.origin = Some(Origin {
            conversation_id: event.conversation_id,
            organization_id: event.organization_id,
            workspace_id: event.workspace_id,
            kind: event.kind,
            allows_plaintext: event.allows_plaintext,
        });
    }

    /// Members and recipients come back with the next events, as they are by now.
    fn reopen(&mut self, event: &ConversationReopened) {
        self.deleted = false;
        self.deleted_up_to = event.deleted_up_to;
        self.members.clear();
        self.recipients.clear();
        self.waiting.clear();
        self.pins.clear();
        self.make_stale();
    }

    fn join(&mut self, event: &ConversationMemberJoined) {
        let (joined, last_number) = (self.events, event.earlier.last_number);
        let member = Member { role: event.role, joined, last_number, terms: event.terms() };
        self.members.insert(event.account_id, member);
        self.had_members = true;
        for recipient in &event.recipients {
            self.add_recipient(event.account_id, recipient);
        }
    }

    fn leave(&mut self, account_id: AccountId) {
        self.members.remove(&account_id);
        let gone: Vec<_> = self.recipients_of(account_id).map(|one| one.recipient_id).collect();
        for recipient_id in gone {
            self.remove_recipient(AccountRecipient::new(account_id, recipient_id));
        }
        self.make_stale();
    }

    fn add_recipient(&mut self, account_id: AccountId, recipient: &Recipient) {
        let key = AccountRecipient::new(account_id, recipient.recipient_id);
        self.recipients.insert(key, recipient.clone());
        if self.generation.is_some() {
            self.waiting.insert(key);
        }
    }

    fn remove_recipient(&mut self, key: AccountRecipient) {
        self.recipients.remove(&key);
        self.waiting.remove(&key);
    }

    fn make_stale(&mut self) {
        if let Some(generation) = &mut self.generation {
            generation.stale = true;
        }
    }

    fn commit(&mut self, event: &GenerationCommitted) {
        self.generation = Some(Generation {
            number: event.generation,
            suite: event.suite,
            transcript: event.transcript,
            stale: false,
        });
        self.waiting.clear();
    }

    fn append_message(&mut self, event: &MessageSent) {
        let next = u32::try_from(self.authors.len()).unwrap_or(u32::MAX);
        let author = *self.authors.entry(event.sender_id).or_insert(next);
        if author == next {
            self.authors_by_index.push_back(event.sender_id);
        }
        self.messages.push_back(MessageEntry::new(author, event.message_id));
    }
}

/// What others may ask.
impl Conversation {
    /// Its id; none before it was opened.
    pub fn id(&self) -> Option<ConversationId> {
        self.origin.as_ref().map(|origin| origin.conversation_id)
    }

    /// Its workspace, if it lies in one.
    pub fn workspace(&self) -> Option<WorkspaceId> {
        self.origin.as_ref().and_then(|origin| origin.workspace_id)
    }

    /// Its kind; none before it was opened.
    pub fn kind(&self) -> Option<ConversationKind> {
        self.origin.as_ref().map(|origin| origin.kind)
    }

    /// Whether messages in clear are taken.
    pub fn allows_plaintext(&self) -> bool {
        self.origin.as_ref().is_some_and(|origin| origin.allows_plaintext)
    }

    /// What members see of what was before they joined.
    pub fn history_visibility(&self) -> HistoryVisibility {
        if self.history_for_all { HistoryVisibility::All } else { HistoryVisibility::Joined }
    }

    /// What is there for whoever joins now.
    pub(super) fn earlier(&self) -> Earlier {
        Earlier {
            last_number: self.last_number(),
            generation: self.generation(),
            visibility: self.history_visibility(),
        }
    }

    /// What was there as a member on record joined, and whether they see it now; the generation is not kept.
    pub fn earlier_of(&self, account_id: AccountId) -> Option<(u64, HistoryVisibility)> {
        self.members.get(&account_id).map(|member| (member.last_number, self.history_visibility()))
    }

    /// Whether a member on record sees a message that is there.
    pub fn shows(&self, number: u64, account_id: AccountId) -> bool {
        let since = self.members.get(&account_id).map(|member| member.last_number);
        self.has_message(number) && since.is_some_and(|since| self.history_for_all || number > since)
    }

    /// Whether it was deleted.
    pub fn is_deleted(&self) -> bool {
        self.deleted
    }

    /// Whether somebody was a member ever.
    pub fn had_members(&self) -> bool {
        self.had_members
    }

    /// The current members with their roles, ascending by account id.
    pub fn members(&self) -> impl ExactSizeIterator<Item = (AccountId, ConversationRole)> {
        self.members.iter().map(|(id, member)| (*id, member.role))
    }

    /// The role of a member on record, whose membership may have ended with a term that it rests on.
    pub fn role(&self, account_id: AccountId) -> Option<ConversationRole> {
        self.members.get(&account_id).map(|member| member.role)
    }

    /// What a member's membership on record rests on.
    pub fn terms(&self, account_id: AccountId) -> Option<Terms> {
        self.members.get(&account_id).map(|member| member.terms)
    }

    /// The role of a member who is one by their standing, too.
    pub fn standing_role(&self, account_id: AccountId, standing: &Standing) -> Option<ConversationRole> {
        let member = self.members.get(&account_id)?;
        standing.upholds(&member.terms).then_some(member.role)
    }

    /// Revision of the event by which a member on record joined.
    pub fn joined_revision(&self, account_id: AccountId) -> Option<u64> {
        self.members.get(&account_id).map(|member| member.joined)
    }

    /// The member who has been here longest, other than `except`.
    pub fn longest_member(&self, except: AccountId) -> Option<AccountId> {
        let others = self.members.iter().filter(|(id, _)| **id != except);
        others.min_by_key(|(_, member)| member.joined).map(|(id, _)| *id)
    }

    /// The active recipients with their accounts, ascending by account and recipient.
    pub fn recipients(&self) -> impl ExactSizeIterator<Item = (AccountId, &Recipient)> {
        self.recipients.iter().map(|(key, recipient)| (key.account_id, recipient))
    }

    /// One active recipient.
    pub fn recipient(&self, key: AccountRecipient) -> Option<&Recipient> {
        self.recipients.get(&key)
    }

    /// A member's active recipients, ascending by id.
    pub fn recipients_of(&self, account_id: AccountId) -> impl Iterator<Item = &Recipient> {
        let end = |byte| AccountRecipient::new(account_id, RecipientId::from_bytes([byte; 16]));
        self.recipients.range(end(0)..=end(u8::MAX)).map(|(_, recipient)| recipient)
    }

    /// Number of the generation committed last; 0 for none.
    pub fn generation(&self) -> u32 {
        self.generation.as_ref().map_or(0, |generation| generation.number)
    }

    /// How the current generation encrypts; none before the first.
    pub fn suite(&self) -> Option<Suite> {
        self.generation.as_ref().map(|generation| generation.suite)
    }

    /// Whether a new generation has to be committed before anything encrypted can be sent.
    pub fn commit_required(&self) -> bool {
        self.generation.as_ref().is_none_or(|generation| generation.stale)
    }

    /// Membership transcript of the current generation, which its wraps bind; zero before the first.
    pub fn transcript(&self) -> Digest {
        self.generation.as_ref().map_or(Digest::from_bytes([0; 32]), |generation| generation.transcript)
    }

    /// Membership transcript that the next generation has to be committed with.
    pub fn next_transcript(&self) -> Option<Digest> {
        let origin = self.origin.as_ref()?;
        let transcript = Transcript {
            previous: self.transcript(),
            generation: self.generation().saturating_add(1),
            organization_id: origin.organization_id,
            conversation_id: origin.conversation_id,
        };
        Some(transcript.digest(self.recipients()))
    }

    /// Active recipients that wait for a wrap of the current generation, ascending.
    pub fn waiting(&self) -> impl ExactSizeIterator<Item = AccountRecipient> {
        self.waiting.iter().copied()
    }

    /// Whether a recipient waits for a wrap of the current generation.
    pub fn is_waiting(&self, recipient: AccountRecipient) -> bool {
        self.waiting.contains(&recipient)
    }

    /// Number of the last message; 0 for none.
    pub fn last_number(&self) -> u64 {
        self.messages.len() as u64
    }

    /// Messages up to this number went when the conversation was deleted, before it was opened again; 0 for none.
    pub fn deleted_up_to(&self) -> u64 {
        self.deleted_up_to
    }

    /// Whether a message is there, deleted by itself or not.
    pub fn has_message(&self, number: u64) -> bool {
        self.entry(number).is_some()
    }

    /// Whether a message was deleted.
    pub fn is_message_deleted(&self, number: u64) -> bool {
        self.entry(number).is_some_and(MessageEntry::is_deleted)
    }

    /// Whether `account_id` sent the message.
    pub fn is_sender(&self, number: u64, account_id: AccountId) -> bool {
        match (self.entry(number), self.authors.get(&account_id)) {
            (Some(entry), Some(author)) => entry.author() == *author,
            (None, _) | (_, None) => false,
        }
    }

    /// Whether the message has this id.
    pub fn is_message_id(&self, number: u64, id: MessageId) -> bool {
        self.entry(number).is_some_and(|entry| entry.is_of(id))
    }

    /// Numbers of the pinned messages, ascending.
    pub fn pins(&self) -> impl ExactSizeIterator<Item = u64> {
        self.pins.iter().copied()
    }

    /// Whether a message is pinned.
    pub fn is_pinned(&self, number: u64) -> bool {
        self.pins.contains(&number)
    }

    /// The current members who sent the newest messages up to `number`, `except` one, each with the number of their latest: of so
    /// many messages and so many people at most as [`limits`] say, the latest first.
    pub(super) fn latest_senders(&self, number: u64, except: AccountId) -> Vec<(AccountId, u64)> {
        let (mut seen, mut senders) = (BTreeSet::new(), Vec::new());
        for number in (1..=number).rev().take(limits::RECEIPT_MESSAGES_LOOKED_AT_MAX) {
            let Some(entry) = self.entry(number).filter(|entry| seen.insert(entry.author())) else {
                continue;
            };
            let author = usize::try_from(entry.author()).ok().and_then(|at| self.authors_by_index.get(at));
            senders.extend(
                author.filter(|id| **id != except && self.members.contains_key(*id)).map(|id| (*id, number)),
            );
            if senders.len() >= limits::RECEIPT_SENDERS_MAX {
                break;
            }
        }
        senders
    }

    fn entry(&self, number: u64) -> Option<MessageEntry> {
        if number <= self.deleted_up_to {
            return None;
        }
        self.messages.get(index_of(number)?).copied()
    }
}

/// Where message `number` stands; messages count from 1.
fn index_of(number: u64) -> Option<usize> {
    usize::try_from(number.checked_sub(1)?).ok()
}
