//! Who sees which event. The one place that decides it: an exhaustive match, so a new event has to be given an audience.

use domain::account::AccountEvent;
use domain::conversation::{ConversationEvent, GenerationCommitted};
use domain::device::DeviceEvent;
use domain::organization::OrganizationEvent;
use domain::session::{SessionEvent, SessionStarted};
use domain::workspace::WorkspaceEvent;
use domain::{AccountDevice, AccountId, Category, ConversationId, DeviceId, Digest, Event, SessionId};
use projections::Item;

/// Who sees an event, and what it changes about who sees what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Audience {
    /// The conversation whose members see it, judged after `change`.
    pub conversation: Option<ConversationId>,
    /// The account that sees it in any case.
    pub account: Option<AccountId>,
    /// The membership that it begins or ends.
    pub change: Option<Change>,
    /// The sockets that it closes.
    pub ends: Option<Ends>,
}

/// A membership that begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The account is a member from this event on, which it sees.
    Joined(ConversationId, AccountId),
    /// The account is a member no more; this event is the last that it sees.
    Left(ConversationId, AccountId),
}

/// Sockets that have to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// Those of a session.
    Session(AccountId, SessionId),
    /// Those of a device.
    Device(AccountDevice),
}

impl Ends {
    /// Whose.
    pub fn account(self) -> AccountId {
        match self {
            Ends::Session(account, _) => account,
            Ends::Device(device) => device.account_id,
        }
    }

    /// Whether a socket of this account, session and device is among them.
    pub fn hits(self, account_id: AccountId, session_id: SessionId, device_id: Option<DeviceId>) -> bool {
        match self {
            Ends::Session(account, session) => (account, session) == (account_id, session_id),
            Ends::Device(device) => device_id.is_some_and(|id| device == AccountDevice::new(account_id, id)),
        }
    }
}

impl Audience {
    const NOBODY: Audience = Audience { conversation: None, account: None, change: None, ends: None };

    fn account(id: AccountId) -> Self {
        Audience { account: Some(id), ..Self::NOBODY }
    }

    fn members(id: ConversationId) -> Self {
        Audience { conversation: Some(id), ..Self::NOBODY }
    }

    /// Who sees what the feed handed on. Of an event that cannot be decoded, those who see its stream have to be told that
    /// they miss something.
    pub fn of(item: &Item) -> Self {
        match item {
            Item::Event(decoded) => Self::of_event(&decoded.event),
            Item::Undecodable(failed) => {
                let stream = failed.recorded.stream;
                match stream.category {
                    Category::Conversation => Self::members(stream.id.into()),
                    Category::Account | Category::Device => Self::account(stream.id.into()),
                    Category::Operations
                    | Category::Organization
                    | Category::Session
                    | Category::Workspace => Self::NOBODY,
                }
            }
        }
    }

    /// Who sees an event.
    pub fn of_event(event: &Event) -> Self {
        match event {
            Event::Account(event) => account(event),
            Event::Conversation(event) => conversation(event),
            Event::Device(event) => device(event),
            Event::Operations(_) => Self::NOBODY,
            Event::Organization(event) => organization(event),
            Event::Session(event) => session(event),
            Event::Workspace(event) => workspace(event),
        }
    }
}

fn account(event: &AccountEvent) -> Audience {
    match event {
        AccountEvent::EmailConfirmed(event) => Audience::account(event.account_id),
        AccountEvent::ProfileChanged(event) => Audience::account(event.account_id),
        AccountEvent::MetadataChanged(event) => Audience::account(event.account_id),
        AccountEvent::LoginLocked(event) => Audience::account(event.account_id),
        // Nobody is logged in yet, or what is in them is between the account and its mailbox or password.
        AccountEvent::Registered(_)
        | AccountEvent::EmailConfirmationRequested(_)
        | AccountEvent::PasswordSet(_)
        | AccountEvent::PasswordVoided(_)
        | AccountEvent::RegistrationRepeated(_)
        | AccountEvent::PasswordResetRequested(_) => Audience::NOBODY,
    }
}

fn conversation(event: &ConversationEvent) -> Audience {
    let id = match event {
        // Its members join with the next events.
        ConversationEvent::Created(event) => return Audience::account(event.creator),
        ConversationEvent::MemberJoined(event) => {
            let change = Change::Joined(event.conversation_id, event.account_id);
            return Audience { change: Some(change), ..Audience::members(event.conversation_id) };
        }
        ConversationEvent::MemberLeft(event) => {
            let change = Change::Left(event.conversation_id, event.account_id);
            return Audience {
                account: Some(event.account_id),
                change: Some(change),
                ..Audience::members(event.conversation_id)
            };
        }
        ConversationEvent::TitleChanged(event) => event.conversation_id,
        ConversationEvent::MemberRoleChanged(event) => event.conversation_id,
        ConversationEvent::RecipientAdded(event) => event.conversation_id,
        ConversationEvent::RecipientRemoved(event) => event.conversation_id,
        ConversationEvent::GenerationCommitted(event) => event.conversation_id,
        ConversationEvent::WrapAdded(event) => event.conversation_id,
        ConversationEvent::WrapReported(event) => event.conversation_id,
        ConversationEvent::MessageSent(event) => event.conversation_id,
        ConversationEvent::MessageEdited(event) => event.conversation_id,
        ConversationEvent::MessageDeleted(event) => event.conversation_id,
        ConversationEvent::ReactionSet(event) => event.conversation_id,
        ConversationEvent::ReactionCleared(event) => event.conversation_id,
        ConversationEvent::MessagePinned(event) => event.conversation_id,
        ConversationEvent::MessageUnpinned(event) => event.conversation_id,
        ConversationEvent::ReceiptRecorded(event) => event.conversation_id,
        ConversationEvent::Deleted(event) => event.conversation_id,
        ConversationEvent::Reopened(event) => event.conversation_id,
    };
    Audience::members(id)
}

fn device(event: &DeviceEvent) -> Audience {
    match event {
        DeviceEvent::IdentityPublished(event) => Audience::account(event.account_id),
        DeviceEvent::Enrolled(event) => Audience::account(event.account_id),
        DeviceEvent::Renamed(event) => Audience::account(event.account_id),
        DeviceEvent::Revoked(event) => Audience {
            ends: Some(Ends::Device(AccountDevice::new(event.account_id, event.device_id))),
            ..Audience::account(event.account_id)
        },
    }
}

fn organization(event: &OrganizationEvent) -> Audience {
    match event {
        OrganizationEvent::Created(event) => Audience::account(event.founder),
        OrganizationEvent::MemberJoined(event) => Audience::account(event.account_id),
        OrganizationEvent::MemberRoleChanged(event) => Audience::account(event.account_id),
        OrganizationEvent::MemberRemoved(event) => Audience::account(event.account_id),
        // Settings and invitations are asked for by those who look at them.
        OrganizationEvent::ProfileChanged(_)
        | OrganizationEvent::InvitationCreated(_)
        | OrganizationEvent::InvitationRevoked(_) => Audience::NOBODY,
    }
}

fn session(event: &SessionEvent) -> Audience {
    match event {
        SessionEvent::Started(event) => Audience::account(event.account_id),
        SessionEvent::DeviceBound(event) => Audience::account(event.account_id),
        SessionEvent::Revoked(event) => Audience {
            ends: Some(Ends::Session(event.account_id, event.session_id)),
            ..Audience::account(event.account_id)
        },
        // Every few minutes from every session, and of no use to another.
        SessionEvent::Refreshed(_) => Audience::NOBODY,
    }
}

fn workspace(event: &WorkspaceEvent) -> Audience {
    match event {
        WorkspaceEvent::Created(event) => Audience::account(event.creator),
        WorkspaceEvent::MemberJoined(event) => Audience::account(event.account_id),
        WorkspaceEvent::MemberRoleChanged(event) => Audience::account(event.account_id),
        WorkspaceEvent::MemberRemoved(event) => Audience::account(event.account_id),
        // Settings are asked for by those who look at them.
        WorkspaceEvent::ProfileChanged(_) | WorkspaceEvent::Archived(_) => Audience::NOBODY,
    }
}

/// An event as clients get it, if that is another than the recorded one. What stays on the server is blank, so that the
/// event has the form of the catalogue all the same: hashes that only the server compares, and wraps, of which nobody needs
/// more than their own and a large group's would fill every member's line.
pub fn shown(event: &Event) -> Option<Event> {
    match event {
        Event::Conversation(ConversationEvent::GenerationCommitted(event)) => {
            let GenerationCommitted {
                conversation_id,
                generation,
                suite,
                account_id,
                device_id,
                transcript,
                wraps: _,
            } = *event;
            let wraps = Vec::new();
            let committed = GenerationCommitted {
                conversation_id,
                generation,
                suite,
                account_id,
                device_id,
                transcript,
                wraps,
            };
            Some(committed.into())
        }
        Event::Session(SessionEvent::Started(event)) => {
            Some(SessionStarted { refresh_hash: Digest::from_bytes([0; 32]), ..event.clone() }.into())
        }
        Event::Account(_)
        | Event::Conversation(_)
        | Event::Device(_)
        | Event::Operations(_)
        | Event::Organization(_)
        | Event::Session(_)
        | Event::Workspace(_) => None,
    }
}
