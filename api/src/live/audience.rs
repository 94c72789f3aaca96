//! Who may see an event, and what an event changes about that. Exhaustive: a new event has to be given an audience.

use domain::account::AccountEvent;
use domain::conversation::ConversationEvent;
use domain::device::DeviceEvent;
use domain::organization::{OrganizationEvent, OrganizationRole};
use domain::session::SessionEvent;
use domain::workspace::WorkspaceEvent;
use domain::{AccountId, ConversationId, DeviceId, Event, OrganizationId, SessionId, WorkspaceId};
use projections::Decoded;

/// Who may see an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Nobody: it holds proofs of identity, or is of operating the platform.
    Nobody,
    /// The account itself.
    Account(AccountId),
    /// Members of a conversation.
    Conversation(ConversationId),
    /// Members of an organization.
    Organization(OrganizationId),
    /// Those who manage an organization.
    Managers(OrganizationId),
    /// Members of a workspace.
    Workspace(WorkspaceId),
}

/// Who may see an event, and whom it is about: they see it even when it ends their membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Audience {
    pub scope: Scope,
    pub subject: Option<AccountId>,
}

/// What an event changes about who sees what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Conversation { id: ConversationId, account: AccountId, is_member: bool },
    Organization { id: OrganizationId, account: AccountId, role: Option<OrganizationRole> },
    Workspace { id: WorkspaceId, account: AccountId, is_member: bool },
}

/// What an event ends at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Revocation {
    Session(AccountId, SessionId),
    Device(AccountId, DeviceId),
}

/// Who may see the event.
pub(super) fn audience(event: &Event) -> Audience {
    let all = |scope| Audience { scope, subject: None };
    match event {
        Event::Account(event) => all(account(event)),
        Event::Conversation(event) => conversation(event),
        Event::Device(event) => all(device(event)),
        Event::Operations(_) => all(Scope::Nobody),
        Event::Organization(event) => organization(event),
        Event::Session(event) => all(session(event)),
        Event::Workspace(event) => workspace(event),
    }
}

fn account(event: &AccountEvent) -> Scope {
    match event {
        AccountEvent::ProfileChanged(event) => Scope::Account(event.account_id),
        AccountEvent::MetadataChanged(event) => Scope::Account(event.account_id),
        AccountEvent::EmailConfirmed(event) => Scope::Account(event.account_id),
        AccountEvent::Registered(_)
        | AccountEvent::EmailConfirmationRequested(_)
        | AccountEvent::PasswordSet(_)
        | AccountEvent::PasswordResetRequested(_)
        | AccountEvent::LoginLocked(_) => Scope::Nobody,
    }
}

fn device(event: &DeviceEvent) -> Scope {
    match event {
        DeviceEvent::IdentityPublished(event) => Scope::Account(event.account_id),
        DeviceEvent::Enrolled(event) => Scope::Account(event.account_id),
        DeviceEvent::Renamed(event) => Scope::Account(event.account_id),
        DeviceEvent::Revoked(event) => Scope::Account(event.account_id),
    }
}

fn session(event: &SessionEvent) -> Scope {
    match event {
        SessionEvent::DeviceBound(event) => Scope::Account(event.account_id),
        SessionEvent::Revoked(event) => Scope::Account(event.account_id),
        SessionEvent::Started(_) | SessionEvent::Refreshed(_) => Scope::Nobody,
    }
}

fn conversation(event: &ConversationEvent) -> Audience {
    let (id, subject) = match event {
        ConversationEvent::Created(event) => (event.conversation_id, None),
        ConversationEvent::TitleChanged(event) => (event.conversation_id, None),
        ConversationEvent::MemberJoined(event) => (event.conversation_id, Some(event.account_id)),
        ConversationEvent::MemberRoleChanged(event) => (event.conversation_id, Some(event.account_id)),
        ConversationEvent::MemberLeft(event) => (event.conversation_id, Some(event.account_id)),
        ConversationEvent::RecipientAdded(event) => (event.conversation_id, None),
        ConversationEvent::RecipientRemoved(event) => (event.conversation_id, None),
        ConversationEvent::GenerationCommitted(event) => (event.conversation_id, None),
        ConversationEvent::WrapAdded(event) => (event.conversation_id, None),
        ConversationEvent::WrapReported(event) => (event.conversation_id, None),
        ConversationEvent::MessageSent(event) => (event.conversation_id, None),
        ConversationEvent::MessageEdited(event) => (event.conversation_id, None),
        ConversationEvent::MessageDeleted(event) => (event.conversation_id, None),
        ConversationEvent::ReactionSet(event) => (event.conversation_id, None),
        ConversationEvent::ReactionCleared(event) => (event.conversation_id, None),
        ConversationEvent::MessagePinned(event) => (event.conversation_id, None),
        ConversationEvent::MessageUnpinned(event) => (event.conversation_id, None),
        ConversationEvent::ReceiptRecorded(event) => (event.conversation_id, None),
        ConversationEvent::Deleted(event) => (event.conversation_id, None),
    };
    Audience { scope: Scope::Conversation(id), subject }
}

fn organization(event: &OrganizationEvent) -> Audience {
    let (scope, subject) = match event {
        OrganizationEvent::Created(event) => (Scope::Organization(event.organization_id), None),
        OrganizationEvent::ProfileChanged(event) => (Scope::Organization(event.organization_id), None),
        OrganizationEvent::MemberJoined(event) => {
            (Scope::Organization(event.organization_id), Some(event.account_id))
        }
        OrganizationEvent::MemberRoleChanged(event) => {
            (Scope::Organization(event.organization_id), Some(event.account_id))
        }
        OrganizationEvent::MemberRemoved(event) => {
            (Scope::Organization(event.organization_id), Some(event.account_id))
        }
        OrganizationEvent::InvitationCreated(event) => (Scope::Managers(event.organization_id), None),
        OrganizationEvent::InvitationRevoked(event) => (Scope::Managers(event.organization_id), None),
    };
    Audience { scope, subject }
}

fn workspace(event: &WorkspaceEvent) -> Audience {
    let (id, subject) = match event {
        WorkspaceEvent::Created(event) => (event.workspace_id, None),
        WorkspaceEvent::ProfileChanged(event) => (event.workspace_id, None),
        WorkspaceEvent::MemberJoined(event) => (event.workspace_id, Some(event.account_id)),
        WorkspaceEvent::MemberRoleChanged(event) => (event.workspace_id, Some(event.account_id)),
        WorkspaceEvent::MemberRemoved(event) => (event.workspace_id, Some(event.account_id)),
        WorkspaceEvent::Archived(event) => (event.workspace_id, None),
    };
    Audience { scope: Scope::Workspace(id), subject }
}

/// What the event changes about who sees what. Whoever was a member of a conversation or workspace when it ended still
/// sees that it did.
pub(super) fn change(event: &Event) -> Option<Change> {
    match event {
        Event::Conversation(ConversationEvent::MemberJoined(event)) => Some(Change::Conversation {
            id: event.conversation_id,
            account: event.account_id,
            is_member: true,
        }),
        Event::Conversation(ConversationEvent::MemberLeft(event)) => Some(Change::Conversation {
            id: event.conversation_id,
            account: event.account_id,
            is_member: false,
        }),
        Event::Organization(OrganizationEvent::MemberJoined(event)) => Some(Change::Organization {
            id: event.organization_id,
            account: event.account_id,
            role: Some(event.role),
        }),
        Event::Organization(OrganizationEvent::MemberRoleChanged(event)) => Some(Change::Organization {
            id: event.organization_id,
            account: event.account_id,
            role: Some(event.role),
        }),
        Event::Organization(OrganizationEvent::MemberRemoved(event)) => {
            Some(Change::Organization { id: event.organization_id, account: event.account_id, role: None })
        }
        Event::Workspace(WorkspaceEvent::MemberJoined(event)) => {
            Some(Change::Workspace { id: event.workspace_id, account: event.account_id, is_member: true })
        }
        Event::Workspace(WorkspaceEvent::MemberRemoved(event)) => {
            Some(Change::Workspace { id: event.workspace_id, account: event.account_id, is_member: false })
        }
        _ => None,
    }
}

/// What the event ends at once.
pub(super) fn revocation(event: &Decoded) -> Option<Revocation> {
    match &event.event {
        Event::Session(SessionEvent::Revoked(event)) => {
            Some(Revocation::Session(event.account_id, event.session_id))
        }
        Event::Device(DeviceEvent::Revoked(event)) => {
            Some(Revocation::Device(event.account_id, event.device_id))
        }
        _ => None,
    }
}
