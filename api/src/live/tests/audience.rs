//! Every event there is, and who sees it; `ops/docs/live.md` says the same.

use std::collections::BTreeMap;
use std::path::PathBuf;

use domain::device::{DeviceRevocationCause, DeviceRevoked};
use domain::session::SessionDeviceBound;
use domain::{AccountId, DeviceId, Event, SessionId};
use eventstore_schema::{catalogue, golden};

use super::super::audience::{Audience, Change, Ends, Proved};
use super::super::memberships::Memberships;
use super::super::sight::{Look, Sight};
use super::site::ORGANIZATION;

/// Name, who sees it, and what it does beside.
const EVENTS: &[(&str, &str, &str)] = &[
    ("account.email_confirmation_requested", "nobody", ""),
    ("account.email_confirmed", "account", ""),
    ("account.login_locked", "account", ""),
    ("account.metadata_changed", "account", ""),
    ("account.password_reset_requested", "nobody", ""),
    ("account.password_set", "nobody", ""),
    ("account.password_voided", "nobody", ""),
    ("account.profile_changed", "account", ""),
    ("account.registered", "nobody", ""),
    ("account.registration_repeated", "nobody", ""),
    ("conversation.created", "account", ""),
    ("conversation.deleted", "members", ""),
    ("conversation.generation_committed", "members", ""),
    ("conversation.history_visibility_changed", "members", "shows"),
    ("conversation.member_joined", "members", "joins"),
    ("conversation.member_left", "members and account", "leaves"),
    ("conversation.member_role_changed", "members", ""),
    ("conversation.message_deleted", "members who see it", ""),
    ("conversation.message_edited", "members who see it", ""),
    ("conversation.message_pinned", "members who see it", ""),
    ("conversation.message_sent", "members", ""),
    ("conversation.message_unpinned", "members who see it", ""),
    ("conversation.reaction_cleared", "members who see it", ""),
    ("conversation.reaction_set", "members who see it", ""),
    ("conversation.recipient_added", "members", ""),
    ("conversation.recipient_removed", "members", ""),
    ("conversation.reopened", "members", ""),
    ("conversation.title_changed", "members", ""),
    ("conversation.wrap_added", "members", ""),
    ("conversation.wrap_reported", "members", ""),
    ("conversation_member.receipt_recorded", "members or senders", ""),
    ("device.enrolled", "account", ""),
    ("device.identity_published", "account", ""),
    ("device.renamed", "account", ""),
    ("device.revoked", "account", "closes"),
    ("operations.parked_event_discarded", "nobody", ""),
    ("operations.parked_event_retried", "nobody", ""),
    ("operations.parked_stream_discarded", "nobody", ""),
    ("operations.parked_stream_retried", "nobody", ""),
    ("operations.signing_key_rotated", "nobody", ""),
    ("organization.created", "account", ""),
    ("organization.invitation_created", "nobody", ""),
    ("organization.invitation_revoked", "nobody", ""),
    ("organization.member_joined", "account", ""),
    ("organization.member_removed", "account", "ends terms"),
    ("organization.member_role_changed", "account", ""),
    ("organization.profile_changed", "nobody", ""),
    ("session.device_bound", "account", "binds"),
    ("session.refreshed", "nobody", ""),
    ("session.revoked", "account", "closes"),
    ("session.started", "account", ""),
    ("workspace.archived", "workspace", "archives"),
    ("workspace.created", "account", ""),
    ("workspace.member_joined", "account", ""),
    ("workspace.member_removed", "account", "ends terms"),
    ("workspace.member_role_changed", "account", ""),
    ("workspace.profile_changed", "nobody", ""),
];

/// One of every kind of event, as it is stored.
fn samples() -> BTreeMap<&'static str, Event> {
    let sample = |kind: domain::EventType| {
        let path = PathBuf::from(golden::DIRECTORY).join(format!("{}.v{}.bin", kind.name, kind.version));
        let event = catalogue::decode(kind.name, kind.version, &std::fs::read(path).unwrap()).unwrap();
        (kind.name, event)
    };
    Event::types().into_iter().map(sample).collect()
}

fn words(audience: &Audience) -> (&'static str, &'static str) {
    let who = match (audience.conversation, audience.account, audience.workspace) {
        (None, None, None) => "nobody",
        (None, Some(_), None) => "account",
        (None, None, Some(_)) => "workspace",
        (Some(_), None, None) if audience.only.is_some() => "members or senders",
        (Some(_), None, None) if audience.message.is_some() => "members who see it",
        (Some(_), None, None) => "members",
        (Some(_), Some(_), None) => "members and account",
        (_, _, Some(_)) => "too many",
    };
    let what = match (audience.change, audience.ends) {
        (None, None) => "",
        (Some(Change::Joined(..)), None) => "joins",
        (Some(Change::History(..)), None) => "shows",
        (Some(Change::Left(..)), None) => "leaves",
        (Some(Change::LeftOrganization(..) | Change::LeftWorkspace(..)), None) => "ends terms",
        (Some(Change::Archived(..)), None) => "archives",
        (Some(Change::Bound(..)), None) => "binds",
        (None, Some(Ends::Session(..) | Ends::Device(..) | Ends::Password(..))) => "closes",
        (Some(_), Some(_)) => "both",
    };
    (who, what)
}

#[test]
fn every_event_has_the_audience_that_is_listed() {
    let found: Vec<_> = samples()
        .iter()
        .map(|(name, event)| {
            let (who, what) = words(&Audience::of_event(event, 3, Some(ORGANIZATION)));
            (*name, who, what)
        })
        .collect();
    assert_eq!(found, EVENTS);
}

#[test]
fn a_socket_whose_session_is_bound_later_ends_with_the_device() {
    let (account_id, session_id) = (AccountId::from_bytes([1; 16]), SessionId::from_bytes([2; 16]));
    let device_id = DeviceId::from_bytes([3; 16]);
    let proved = Proved { session_id, device_id: None, password_revision: 0 };
    let mut sight = Sight::at(account_id, proved, &[], Memberships::default(), None);
    let look = |sight: &mut Sight, event: Event| sight.look(&Audience::of_event(&event, 3, None));
    let revoked = || DeviceRevoked { account_id, device_id, cause: DeviceRevocationCause::Lost };
    assert_eq!(
        look(&mut sight, Event::Device(revoked().into())),
        Look::Shown,
        "another's, as far as it knows"
    );
    let bound = SessionDeviceBound { session_id, account_id, device_id };
    assert_eq!(look(&mut sight, Event::Session(bound.into())), Look::Shown);
    assert_eq!(look(&mut sight, Event::Device(revoked().into())), Look::Ended);
}

#[test]
fn every_event_is_in_the_document_with_its_audience() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../ops/docs/live.md");
    let text = std::fs::read_to_string(path).unwrap();
    for (name, who, _) in EVENTS {
        let row = format!("| `{name}` | {who} |");
        assert!(text.contains(&row), "{path} has no row {row}");
    }
}
