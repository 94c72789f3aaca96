//! Who sees which event. The one place that decides it: an exhaustive match, so a new event has to be given an audience.

use domain::account::{AccountEvent, PasswordEnding};
use domain::conversation::{ConversationEvent, GenerationCommitted, HistoryVisibility};
use domain::conversation_member::ConversationMemberEvent;
use domain::device::DeviceEvent;
use domain::organization::OrganizationEvent;
use domain::session::{SessionEvent, SessionStarted};
use domain::workspace::WorkspaceEvent;
use domain::{
    AccountDevice, AccountId, Category, ConversationId, DeviceId, Digest, Event, OrganizationId, SessionId,
    WorkspaceId,
};
use projections::Item;

use super::memberships::Place;

/// Who sees an event, and what it changes about who sees what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audience {
    /// The conversation whose members see it, judged after `change`.
    pub conversation: Option<ConversationId>,
    /// Of those members the ones who see this message.
    pub message: Option<u64>,
    /// Of those members these alone, ascending; all where there is none.
    pub only: Option<Vec<AccountId>>,
    /// The account that sees it in any case.
    pub account: Option<AccountId>,
    /// The workspace of whose conversations members see it.
    pub workspace: Option<WorkspaceId>,
    /// The membership that it begins or ends, the session that it binds, or what it closes to those who would write.
    pub change: Option<Change>,
    /// The sockets that it closes.
    pub ends: Option<Ends>,
}

/// What an event changes about who sees what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The account is a member from this event on, which it sees.
    Joined(ConversationId, AccountId, Place),
    /// What was before its members joined is shown to them, or hidden, from this event on.
    History(ConversationId, HistoryVisibility),
    /// The account is a member no more; this event is the last that it sees.
    Left(ConversationId, AccountId),
    /// The account's terms in the organization that began before this revision have ended, and with them what it sees there.
    LeftOrganization(OrganizationId, AccountId, u64),
    /// The account's terms in the workspace that began before this revision have ended, and with them what it sees there.
    LeftWorkspace(WorkspaceId, AccountId, u64),
    /// The conversations of the workspace are read-only from now on.
    Archived(WorkspaceId),
    /// The account's session acts for the device from now on.
    Bound(AccountId, SessionId, DeviceId),
}

/// Sockets that have to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// Those of a session.
    Session(AccountId, SessionId),
    /// Those of a device.
    Device(AccountDevice),
    /// Those of all sessions that began with an earlier password than that of this ending.
    Password(AccountId, PasswordEnding),
}

/// What a socket proved.
#[derive(Clone, Copy, Debug)]
pub struct Proved {
    /// The session.
    pub session_id: SessionId,
    /// The device that it acts for.
    pub device_id: Option<DeviceId>,
    /// Revision, in the account's stream, of the password that the session began with.
    pub password_revision: u64,
}

impl Ends {
    /// Whose.
    pub fn account(self) -> AccountId {
        match self {
            Ends::Session(account, _) | Ends::Password(account, _) => account,
            Ends::Device(device) => device.account_id,
        }
    }

    /// Whether a socket of [`Ends::account`] that proved this is among them.
    pub fn hits(self, proved: &Proved) -> bool {
        match self {
            Ends::Session(_, session) => session == proved.session_id,
            Ends::Device(device) => Some(device.device_id) == proved.device_id,
            Ends::Password(_, ending) => ending.ends(proved.session_id, proved.password_revision),
        }
    }
}

impl Audience {
    const NOBODY: Audience = Audience {
        conversation: None,
        message: None,
        only: None,
        account: None,
        workspace: None,
        change: None,
        ends: None,
    };

    fn account(id: AccountId) -> Self {
        Audience { account: Some(id), ..Self::NOBODY }
    }

    fn members(id: ConversationId) -> Self {
        Audience { conversation: Some(id), ..Self::NOBODY }
    }

    /// Those members of the conversation who see its message of that number.
    fn readers(id: ConversationId, number: u64) -> Self {
        Audience { message: Some(number), ..Self::members(id) }
    }

    /// Whether the account is among those members of the conversation who see it.
    pub fn includes(&self, account_id: AccountId) -> bool {
        self.only.as_ref().is_none_or(|only| only.binary_search(&account_id).is_ok())
    }

    /// Who sees what the feed handed on. Of an event that cannot be decoded, those who see its stream have to be told that
    /// they miss something.
    pub fn of(item: &Item) -> Self {
        match item {
            Item::Event(decoded) => {
                let recorded = &decoded.recorded;
                Self::of_event(&decoded.event, recorded.revision.get(), recorded.origin.organization_id)
            }
            Item::Undecodable(failed) => {
                let stream = failed.recorded.stream;
                match stream.category {
                    Category::Conversation => Self::members(stream.id.into()),
                    Category::Account | Category::Device => Self::account(stream.id.into()),
                    // Its own devices; what a receipt told others, their next reading tells, too.
                    Category::ConversationMember => {
                        failed.recorded.origin.actor.as_account().map_or(Self::NOBODY, Self::account)
                    }
                    Category::Operations
                    | Category::Organization
                    | Category::Session
                    | Category::Workspace => Self::NOBODY,
                }
            }
        }
    }

    /// Who sees an event, at that revision of its stream, of that organization.
    pub fn of_event(event: &Event, revision: u64, organization_id: Option<OrganizationId>) -> Self {
        match event {
            Event::Account(event) => account(event, revision),
            Event::Conversation(event) => conversation(event, organization_id),
            Event::ConversationMember(event) => conversation_member(event),
            Event::Device(event) => device(event),
            Event::Operations(_) => Self::NOBODY,
            Event::Organization(event) => organization(event, revision),
            Event::Session(event) => session(event),
            Event::Workspace(event) => workspace(event, revision),
        }
    }
}

fn account(event: &AccountEvent, revision: u64) -> Audience {
    match event {
        AccountEvent::PasswordSet(event) => {
            let ending = PasswordEnding { revision, spared: event.session_id };
            let ends = event.cause.ends_sessions().then_some(Ends::Password(event.account_id, ending));
            Audience { ends, ..Audience::NOBODY }
        }
        AccountEvent::EmailConfirmed(event) => Audience::account(event.account_id),
        AccountEvent::ProfileChanged(event) => Audience::account(event.account_id),
        AccountEvent::MetadataChanged(event) => Audience::account(event.account_id),
        AccountEvent::LoginLocked(event) => Audience::account(event.account_id),
        // Nobody is logged in yet, or what is in them is between the account and its mailbox or password.
        AccountEvent::Registered(_)
        | AccountEvent::EmailConfirmationRequested(_)
        | AccountEvent::PasswordVoided(_)
        | AccountEvent::RegistrationRepeated(_)
        | AccountEvent::PasswordResetRequested(_) => Audience::NOBODY,
    }
}

fn conversation(event: &ConversationEvent, organization_id: Option<OrganizationId>) -> Audience {
    let id = match event {
        // Its members join with the next events.
        ConversationEvent::Created(event) => return Audience::account(event.creator),
        ConversationEvent::MemberJoined(event) => {
            let change = organization_id.map(|organization_id| {
                let place = Place {
                    organization_id,
                    terms: event.terms(),
                    earlier_number: event.earlier.last_number,
                    history_visibility: event.earlier.visibility,
                };
                Change::Joined(event.conversation_id, event.account_id, place)
            });
            return Audience { change, ..Audience::members(event.conversation_id) };
        }
        ConversationEvent::MemberLeft(event) => {
            let change = Change::Left(event.conversation_id, event.account_id);
            return Audience {
                account: Some(event.account_id),
                change: Some(change),
                ..Audience::members(event.conversation_id)
            };
        }
        ConversationEvent::HistoryVisibilityChanged(event) => {
            let change = Change::History(event.conversation_id, event.history_visibility);
            return Audience { change: Some(change), ..Audience::members(event.conversation_id) };
        }
        // News of a message that was there before somebody joined is of the past, too.
        ConversationEvent::MessageEdited(event) => {
            return Audience::readers(event.conversation_id, event.number);
        }
        ConversationEvent::MessageDeleted(event) => {
            return Audience::readers(event.conversation_id, event.number);
        }
        ConversationEvent::ReactionSet(event) => {
            return Audience::readers(event.conversation_id, event.number);
        }
        ConversationEvent::ReactionCleared(event) => {
            return Audience::readers(event.conversation_id, event.number);
        }
        ConversationEvent::MessagePinned(event) => {
            return Audience::readers(event.conversation_id, event.number);
        }
        ConversationEvent::MessageUnpinned(event) => {
            return Audience::readers(event.conversation_id, event.number);
        }
        ConversationEvent::TitleChanged(event) => event.conversation_id,
        ConversationEvent::MemberRoleChanged(event) => event.conversation_id,
        ConversationEvent::RecipientAdded(event) => event.conversation_id,
        ConversationEvent::RecipientRemoved(event) => event.conversation_id,
        ConversationEvent::GenerationCommitted(event) => event.conversation_id,
        ConversationEvent::WrapAdded(event) => event.conversation_id,
        ConversationEvent::WrapReported(event) => event.conversation_id,
        ConversationEvent::MessageSent(event) => event.conversation_id,
        ConversationEvent::Deleted(event) => event.conversation_id,
        ConversationEvent::Reopened(event) => event.conversation_id,
    };
    Audience::members(id)
}

/// Whose messages it is about, and the account's own devices; members that they are. In a small conversation all members.
fn conversation_member(event: &ConversationMemberEvent) -> Audience {
    match event {
        ConversationMemberEvent::ReceiptRecorded(event) => {
            let only = event.senders.as_ref().map(|senders| {
                let mut only = senders.clone();
                only.push(event.account_id);
                only.sort_unstable();
                only
            });
            Audience { only, ..Audience::members(event.conversation_id) }
        }
    }
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

fn organization(event: &OrganizationEvent, revision: u64) -> Audience {
    match event {
        OrganizationEvent::Created(event) => Audience::account(event.founder),
        OrganizationEvent::MemberJoined(event) => Audience::account(event.account_id),
        OrganizationEvent::MemberRoleChanged(event) => Audience::account(event.account_id),
        OrganizationEvent::MemberRemoved(event) => {
            let change = Change::LeftOrganization(event.organization_id, event.account_id, revision);
            Audience { change: Some(change), ..Audience::account(event.account_id) }
        }
        // Settings and invitations are asked for by those who look at them.
        OrganizationEvent::ProfileChanged(_)
        | OrganizationEvent::InvitationCreated(_)
        | OrganizationEvent::InvitationRevoked(_) => Audience::NOBODY,
    }
}

fn session(event: &SessionEvent) -> Audience {
    match event {
        SessionEvent::Started(event) => Audience::account(event.account_id),
        SessionEvent::DeviceBound(event) => {
            let change = Change::Bound(event.account_id, event.session_id, event.device_id);
            Audience { change: Some(change), ..Audience::account(event.account_id) }
        }
        SessionEvent::Revoked(event) => Audience {
            ends: Some(Ends::Session(event.account_id, event.session_id)),
            ..Audience::account(event.account_id)
        },
        // Every few minutes from every session, and of no use to another.
        SessionEvent::Refreshed(_) => Audience::NOBODY,
    }
}

fn workspace(event: &WorkspaceEvent, revision: u64) -> Audience {
    match event {
        WorkspaceEvent::Created(event) => Audience::account(event.creator),
        WorkspaceEvent::MemberJoined(event) => Audience::account(event.account_id),
        WorkspaceEvent::MemberRoleChanged(event) => Audience::account(event.account_id),
        WorkspaceEvent::MemberRemoved(event) => {
            let change = Change::LeftWorkspace(event.workspace_id, event.account_id, revision);
            Audience { change: Some(change), ..Audience::account(event.account_id) }
        }
        WorkspaceEvent::Archived(event) => {
            let (workspace, change) = (event.workspace_id, Change::Archived(event.workspace_id));
            Audience { workspace: Some(workspace), change: Some(change), ..Audience::NOBODY }
        }
        // Settings are asked for by those who look at them.
        WorkspaceEvent::ProfileChanged(_) => Audience::NOBODY,
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
        | Event::ConversationMember(_)
        | Event::Device(_)
        | Event::Operations(_)
        | Event::Organization(_)
        | Event::Session(_)
        | Event::Workspace(_) => None,
    }
}
