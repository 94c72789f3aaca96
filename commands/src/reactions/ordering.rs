//! Which events keep their order when some are set aside.

use domain::conversation::ConversationEvent;
use domain::organization::OrganizationEvent;
use domain::session::SessionEvent;
use domain::workspace::WorkspaceEvent;
use domain::{AccountId, Category, Event};
use eventstore_schema::StreamId;

/// Whose events an event is answered in order with: named by the stream of the account that it is about, or else by its own.
/// `None` for an event that this release cannot read.
///
/// A set of events that some reaction has to answer in order lies within one key, so a follower answers its own events about
/// an account behind the one whose row it needs ([`super::Reaction::follows`]).
pub(super) fn ordering_key(stream: StreamId, event: Option<&Event>) -> StreamId {
    account(stream, event).map_or(stream, |account| StreamId::new(Category::Account, account))
}

fn account(stream: StreamId, event: Option<&Event>) -> Option<AccountId> {
    // Streams that are named by their account need no reading.
    if matches!(stream.category, Category::Account | Category::Device) {
        return Some(AccountId::from(stream.id));
    }
    match event? {
        Event::Conversation(ConversationEvent::MemberJoined(event)) => Some(event.account_id),
        Event::Conversation(ConversationEvent::MemberLeft(event)) => Some(event.account_id),
        Event::Organization(OrganizationEvent::MemberJoined(event)) => Some(event.account_id),
        Event::Organization(OrganizationEvent::MemberRemoved(event)) => Some(event.account_id),
        Event::Session(SessionEvent::Started(event)) => Some(event.account_id),
        Event::Session(SessionEvent::Refreshed(event)) => Some(event.account_id),
        Event::Session(SessionEvent::DeviceBound(event)) => Some(event.account_id),
        Event::Session(SessionEvent::Revoked(event)) => Some(event.account_id),
        Event::Workspace(WorkspaceEvent::MemberJoined(event)) => Some(event.account_id),
        Event::Workspace(WorkspaceEvent::MemberRemoved(event)) => Some(event.account_id),
        _ => None,
    }
}
