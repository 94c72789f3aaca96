//! Facts from one aggregate in the commands of another, and steps that are repeated.

use domain::conversation::commands::SendMessage;
use domain::conversation::{
    ConversationEvent, ConversationKind, ConversationRole, ConversationTitle, HistoryVisibility, MessageBody,
    direct_conversation_id,
};
use domain::organization::{OrganizationProfile, OrganizationRole};
use domain::session::Session;
use domain::workspace::{WorkspaceProfile, WorkspaceRole};
use domain::{Blob, ConversationId, MessageId, OrganizationId, Rejection, WorkspaceId};
use eventstore_schema::memory::Fault;

use super::stage::*;
use crate::executor::ExecuteError;
use crate::limits::UNKNOWN_OUTCOME_DELAYS;
use crate::services::{InvitationToken, NewConversation, NewInvitation};

fn rejection<T: std::fmt::Debug>(answer: Result<T, ExecuteError>) -> Rejection {
    answer.unwrap_err().rejection().cloned().expect("a rejection")
}

async fn stage(people: &[Person]) -> (Stage, OrganizationId) {
    let stage = Stage::new().await;
    for person in people {
        stage.enter(*person).await;
    }
    let id = stage.organization(people).await;
    (stage, id)
}

#[tokio::test]
async fn members_join_a_conversation_with_the_recipients_their_accounts_have() {
    let (stage, organization) = stage(&[ALICE, BOB]).await;
    stage.enroll(BOB, 1).await;
    let state = stage.conversation(stage.group(organization, ALICE, &[BOB]).await).await;
    assert_eq!(state.recipients_of(ALICE.account()).count(), 2);
    let bobs: Vec<_> = state.recipients_of(BOB.account()).map(|one| one.recipient_id).collect();
    assert_eq!(bobs.len(), 3);
    assert!(bobs.contains(&BOB.device(1).into()));
}

#[tokio::test]
async fn whoever_is_no_member_of_the_organization_is_not_added() {
    let (stage, organization) = stage(&[ALICE, BOB]).await;
    stage.enter(CAROL).await;
    let request = stage.by(ALICE, 0);
    let answer = stage.services.conversations.create(&request, stage.new_group(organization, &[CAROL])).await;
    let account_id = CAROL.account();
    assert_eq!(rejection(answer), Rejection::NotOrganizationMember { account_id });
    let id = stage.group(organization, ALICE, &[BOB]).await;
    let member = ConversationRole::Member;
    let answer = stage.services.conversations.add_member(&stage.by(ALICE, 0), id, account_id, member).await;
    assert_eq!(rejection(answer), Rejection::NotOrganizationMember { account_id });
    let answer = stage.services.conversations.add_member(&stage.by(CAROL, 0), id, account_id, member).await;
    assert_eq!(rejection(answer), Rejection::ConversationNotFound);
}

#[tokio::test]
async fn a_direct_conversation_exists_once_whoever_opens_it() {
    let (stage, organization_id) = stage(&[ALICE, BOB]).await;
    let direct = |other: Person| NewConversation {
        kind: ConversationKind::Direct,
        title: ConversationTitle { title: None, topic: None },
        allows_plaintext: false,
        history_visibility: HistoryVisibility::Joined,
        ..stage.new_group(organization_id, &[other])
    };
    let id = direct_conversation_id(organization_id, ALICE.account(), BOB.account());
    let executed = stage.services.conversations.create(&stage.by(ALICE, 0), direct(BOB)).await.unwrap();
    assert_eq!(ConversationId::from(executed.stream.id), id);
    let answer = stage.services.conversations.create(&stage.by(BOB, 0), direct(ALICE)).await;
    assert_eq!(rejection(answer), Rejection::ConversationExists { conversation_id: id });
}

#[tokio::test]
async fn a_workspace_conversation_needs_membership_of_the_workspace() {
    let (stage, organization_id) = stage(&[ALICE, BOB]).await;
    let workspaces = &stage.services.workspaces;
    let profile = WorkspaceProfile { name: "Lab".to_owned(), description: None };
    let created = workspaces.create(&stage.by(ALICE, 0), organization_id, profile).await.unwrap();
    let workspace_id = WorkspaceId::from(created.stream.id);
    let new = |other| NewConversation {
        workspace_id: Some(workspace_id),
        ..stage.new_group(organization_id, &[other])
    };
    let answer = stage.services.conversations.create(&stage.by(BOB, 0), new(ALICE)).await;
    assert_eq!(rejection(answer), Rejection::WorkspaceNotFound);
    workspaces
        .add_member(&stage.by(ALICE, 0), workspace_id, BOB.account(), WorkspaceRole::Member)
        .await
        .unwrap();
    let request = stage.by(BOB, 0);
    let first = stage.services.conversations.create(&request, new(ALICE)).await.unwrap();
    workspaces.archive(&stage.by(ALICE, 0), workspace_id).await.unwrap();
    let answer = stage.services.conversations.create(&stage.by(BOB, 0), new(ALICE)).await;
    assert_eq!(rejection(answer), Rejection::WorkspaceArchived);
    // What was done before is still answered as it was.
    let again = stage.services.conversations.create(&request, new(ALICE)).await.unwrap();
    assert!(again.replayed);
    assert_eq!(again.stream, first.stream);
}

#[tokio::test]
async fn a_retried_create_meets_what_it_created() {
    let (stage, organization) = stage(&[ALICE, BOB]).await;
    let request = stage.by(ALICE, 0);
    let create = || stage.services.conversations.create(&request, stage.new_group(organization, &[BOB]));
    let (first, again) = (create().await.unwrap(), create().await.unwrap());
    assert_eq!((first.stream, first.revision), (again.stream, again.revision));
    assert!(again.replayed);
}

#[tokio::test]
async fn a_retried_invitation_hands_out_the_same_token() {
    let (stage, organization) = stage(&[ALICE]).await;
    let expires_at = stage.parts.clock.now().plus_seconds(60);
    let new = NewInvitation { role: OrganizationRole::Guest, uses_max: 1, expires_at };
    let request = stage.by(ALICE, 0);
    let organizations = &stage.services.organizations;
    let first = organizations.create_invitation(&request, organization, new).await.unwrap();
    let again = organizations.create_invitation(&request, organization, new).await.unwrap();
    assert_eq!(first.token.expose(), again.token.expose());
    let token = InvitationToken::parse(&first.token.expose()).unwrap();
    organizations.accept_invitation(&stage.by(BOB, 0), &token).await.unwrap();
    let answer = organizations.accept_invitation(&stage.by(CAROL, 0), &token).await;
    assert_eq!(rejection(answer), Rejection::InvitationInvalid);
}

#[tokio::test]
async fn enrolling_binds_the_session_and_goes_on_where_it_stopped() {
    let stage = Stage::new().await;
    stage.services.devices.publish_identity(&stage.by(ALICE, 0), ALICE.identity()).await.unwrap();
    stage.log_in(ALICE, 0, None).await;
    let (request, session) = (stage.by(ALICE, 0).with_device(None), ALICE.session(0));
    let enroll = || stage.services.devices.enroll(&request, session, ALICE.enrollment(0));
    // The device is enrolled, and the log is gone before the session is bound.
    let gone = std::iter::repeat_n(Fault::FailBefore, UNKNOWN_OUTCOME_DELAYS.len() + 1);
    stage.faulty.faults().on_next_appends(std::iter::once(Fault::Delay(Default::default())).chain(gone));
    assert!(matches!(enroll().await, Err(ExecuteError::Unavailable { .. })));
    assert_eq!(stage.session(session).await.device_id(), None);
    let enrolled = enroll().await.unwrap();
    assert!(enrolled.replayed);
    assert_eq!(stage.session(session).await.device_id(), Some(ALICE.device(0)));
    // The answer's position covers both streams.
    assert_eq!(Some(enrolled.position), stage.parts.log.head().await.unwrap().position);
}

#[tokio::test]
async fn a_session_bound_to_a_device_enrolls_no_other() {
    let stage = Stage::new().await;
    stage.enter(ALICE).await;
    let answer =
        stage.services.devices.enroll(&stage.by(ALICE, 0), ALICE.session(0), ALICE.enrollment(1)).await;
    assert_eq!(rejection(answer), Rejection::SessionBound);
    let bound = stage.services.executor.load::<Session>(ALICE.session(0)).await.unwrap().state.device_id();
    assert_eq!(bound, Some(ALICE.device(0)));
}

#[tokio::test]
async fn messages_are_numbered_without_gap() {
    let (stage, organization) = stage(&[ALICE, BOB]).await;
    let id = stage.group(organization, ALICE, &[BOB]).await;
    for number in 1..=3u8 {
        let command = SendMessage {
            message_id: MessageId::from_bytes([number; 16]),
            generation: 0,
            reply_to: None,
            body: MessageBody { content: Blob::new(b"hello".to_vec()), cipher: None },
        };
        let sent = stage.services.conversations.send(&stage.by(BOB, 0), id, command).await.unwrap();
        let [ConversationEvent::MessageSent(event)] = sent.events.as_slice() else { panic!("one event") };
        assert_eq!(event.number, u64::from(number));
    }
}

#[tokio::test]
async fn a_message_id_belongs_to_who_used_it_first_in_a_conversation() {
    let (stage, organization) = stage(&[ALICE, BOB, CAROL]).await;
    let (id, other) = (
        stage.group(organization, ALICE, &[BOB]).await,
        stage.group(organization, ALICE, &[BOB, CAROL]).await,
    );
    let send = async |who: Person, id, text: &str| {
        let command = SendMessage {
            message_id: MessageId::from_bytes([7; 16]),
            generation: 0,
            reply_to: None,
            body: MessageBody { content: Blob::new(text.into()), cipher: None },
        };
        stage.services.conversations.send(&stage.by(who, 0), id, command).await
    };
    let first = send(BOB, id, "mine").await.unwrap();
    // What the id's owner repeats is answered as the first time; nobody else gets the id, whatever they say.
    let again = send(BOB, id, "mine").await.unwrap();
    assert!(again.replayed && again.events == first.events);
    for text in ["mine", "another's"] {
        let taken = send(ALICE, id, text).await;
        assert!(matches!(taken, Err(ExecuteError::CommandReused { .. })), "{text}");
    }
    // Who is no member learns nothing of it.
    assert_eq!(rejection(send(CAROL, id, "mine").await), Rejection::ConversationNotFound);
    // In another conversation it names another message.
    assert!(!send(ALICE, other, "mine").await.unwrap().replayed);
    assert!(send(BOB, id, "mine").await.unwrap().replayed);
}

#[tokio::test]
async fn an_organization_of_others_is_unknown() {
    let (stage, organization) = stage(&[ALICE]).await;
    let profile = OrganizationProfile { name: "Mine".to_owned() };
    let answer = stage.services.organizations.change_profile(&stage.by(BOB, 0), organization, profile).await;
    assert_eq!(rejection(answer), Rejection::OrganizationNotFound);
    let answer =
        stage.services.conversations.create(&stage.by(BOB, 0), stage.new_group(organization, &[])).await;
    assert_eq!(rejection(answer), Rejection::OrganizationNotFound);
}
