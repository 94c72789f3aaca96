//! What follows from what.

use domain::account::commands::{AccountCommand, Register, RequestPasswordReset, SetPassword};
use domain::account::{Account, AccountContact, AccountPassword, AccountProfile, PasswordCause};
use domain::conversation::commands::{AddMember, Candidate, ConversationCommand};
use domain::conversation::{Conversation, ConversationRole, Recipient};
use domain::limits::SESSION_IDLE_SECONDS;
use domain::organization::{OrganizationMember, OrganizationProfile, OrganizationRole};
use domain::session::commands::RefreshSession;
use domain::session::{Session, SessionRevocationCause};
use domain::workspace::{Workspace, WorkspaceProfile, WorkspaceRole};
use domain::{Actor, CommandId, ConversationId, Digest, OrganizationId, RecipientId, SessionId, WorkspaceId};
use eventstore_schema::over_engines;
use eventstore_schema::testing::Engine;

use super::watch::*;
use crate::services::facts;
use crate::services::tests::stage::*;
use crate::services::{NewConversation, NewInvitation};

over_engines! {
    answering_everything_again_changes_nothing,
    devices_enter_and_leave_every_conversation_of_their_account,
}

async fn stage(people: &[Person]) -> (Stage, OrganizationId) {
    populated(Stage::new().await, people).await
}

async fn populated(stage: Stage, people: &[Person]) -> (Stage, OrganizationId) {
    for person in people {
        stage.enter(*person).await;
    }
    let id = stage.organization(people).await;
    (stage, id)
}

async fn recipients(stage: &Stage, id: ConversationId, person: Person) -> Vec<RecipientId> {
    stage.conversation(id).await.recipients_of(person.account()).map(|one| one.recipient_id).collect()
}

async fn devices_enter_and_leave_every_conversation_of_their_account(engine: Engine) {
    let (stage, organization) = populated(Stage::over(engine).await, &[ALICE, BOB]).await;
    let (reactions, running) = start(&stage);
    let ids = [
        stage.group(organization, ALICE, &[BOB]).await,
        stage.group(organization, BOB, &[ALICE]).await,
        stage.group(organization, BOB, &[]).await,
    ];
    let stranger = stage.group(organization, ALICE, &[]).await;
    stage.enroll(BOB, 1).await;
    settled(&stage, &reactions).await;
    for id in ids {
        assert!(recipients(&stage, id, BOB).await.contains(&BOB.device(1).into()));
    }
    assert!(recipients(&stage, stranger, BOB).await.is_empty());
    stage.revoke(BOB, 1).await;
    settled(&stage, &reactions).await;
    for id in ids {
        assert!(!recipients(&stage, id, BOB).await.contains(&BOB.device(1).into()));
    }
    running.stop().await;
}

#[tokio::test]
async fn a_device_under_anothers_id_comes_and_goes_beside_the_others() {
    let (stage, organization) = stage(&[ALICE, BOB]).await;
    let (reactions, running) = start(&stage);
    let id = stage.group(organization, ALICE, &[BOB]).await;
    let copied = ALICE.device(0);
    stage.enroll_as(BOB, copied, 1).await;
    settled(&stage, &reactions).await;
    for person in [ALICE, BOB] {
        assert!(recipients(&stage, id, person).await.contains(&copied.into()));
    }
    stage.revoke_as(BOB, copied).await;
    settled(&stage, &reactions).await;
    assert!(recipients(&stage, id, ALICE).await.contains(&copied.into()));
    assert!(!recipients(&stage, id, BOB).await.contains(&copied.into()));
    assert_eq!(stage.session(BOB.session(1)).await.revoked(), Some(SessionRevocationCause::DeviceRevoked));
    assert_eq!(stage.session(ALICE.session(0)).await.revoked(), None);
    assert_eq!(reactions.parked(&["device_fanout"], None, 10).await.unwrap().len(), 0);
    running.stop().await;
}

#[tokio::test]
async fn a_member_who_joined_with_outdated_recipients_is_put_right() {
    let (stage, organization) = stage(&[ALICE, BOB]).await;
    let outdated: Vec<Recipient> = facts::recipients(&stage.services.executor, BOB.account()).await.unwrap();
    stage.enroll(BOB, 1).await;
    stage.revoke(BOB, 0).await;
    let id = stage.group(organization, ALICE, &[]).await;
    let member = Candidate {
        account_id: BOB.account(),
        in_organization: Some(OrganizationMember { role: OrganizationRole::Member, term: 3 }),
        in_workspace: None,
        recipients: outdated,
    };
    let command = ConversationCommand::AddMember(AddMember { member, role: ConversationRole::Member });
    let standing = stage.services.conversations.standing(id, ALICE.account()).await.unwrap();
    let request = stage.by(ALICE, 0).with_standing(standing);
    stage.services.executor.execute::<Conversation>(id, command, &request).await.unwrap();
    assert!(recipients(&stage, id, BOB).await.contains(&BOB.device(0).into()));
    let (reactions, running) = start(&stage);
    settled(&stage, &reactions).await;
    let now = recipients(&stage, id, BOB).await;
    assert!(now.contains(&BOB.device(1).into()));
    assert!(!now.contains(&BOB.device(0).into()));
    running.stop().await;
}

#[tokio::test]
async fn whoever_leaves_the_organization_leaves_what_they_had_joined_by_then() {
    let (stage, organization) = stage(&[ALICE, BOB]).await;
    let before = stage.group(organization, ALICE, &[BOB]).await;
    let profile = WorkspaceProfile { name: "Lab".to_owned(), description: None };
    let workspaces = &stage.services.workspaces;
    let created = workspaces.create(&stage.by(ALICE, 0), organization, profile).await.unwrap();
    let workspace = WorkspaceId::from(created.stream.id);
    let role = WorkspaceRole::Member;
    workspaces.add_member(&stage.by(ALICE, 0), workspace, BOB.account(), role).await.unwrap();
    let organizations = &stage.services.organizations;
    organizations.remove_member(&stage.by(ALICE, 0), organization, BOB.account()).await.unwrap();
    // Bob comes back and joins another conversation before the reaction reads that he had left.
    let expires_at = stage.parts.clock.now().plus_seconds(60);
    let new = NewInvitation { role: OrganizationRole::Member, uses_max: 1, expires_at };
    let invited = organizations.create_invitation(&stage.by(ALICE, 0), organization, new).await.unwrap();
    organizations.accept_invitation(&stage.by(BOB, 0), &invited.token).await.unwrap();
    let after = stage.group(organization, ALICE, &[BOB]).await;
    let (reactions, running) = start(&stage);
    settled(&stage, &reactions).await;
    assert_eq!(stage.conversation(before).await.role(BOB.account()), None);
    let state = stage.services.executor.load::<Workspace>(workspace).await.unwrap().state;
    assert_eq!(state.role(BOB.account()), None);
    assert_eq!(stage.conversation(after).await.role(BOB.account()), Some(ConversationRole::Member));
    running.stop().await;
}

#[tokio::test]
async fn whoever_leaves_a_workspace_leaves_its_conversations_and_no_others() {
    let (stage, organization) = stage(&[ALICE, BOB]).await;
    let profile = WorkspaceProfile { name: "Lab".to_owned(), description: None };
    let workspaces = &stage.services.workspaces;
    let created = workspaces.create(&stage.by(ALICE, 0), organization, profile).await.unwrap();
    let workspace = WorkspaceId::from(created.stream.id);
    let join = async || {
        let (by, role) = (stage.by(ALICE, 0), WorkspaceRole::Member);
        workspaces.add_member(&by, workspace, BOB.account(), role).await.unwrap();
    };
    let open = async |workspace_id| {
        let new = NewConversation { workspace_id, ..stage.new_group(organization, &[BOB]) };
        let opened = stage.services.conversations.create(&stage.by(ALICE, 0), new).await.unwrap();
        ConversationId::from(opened.stream.id)
    };
    join().await;
    let (inside, outside) = (open(Some(workspace)).await, open(None).await);
    workspaces.remove_member(&stage.by(ALICE, 0), workspace, BOB.account()).await.unwrap();
    // Bob is added again, and to another conversation, before the reaction reads that he had left.
    join().await;
    let later = open(Some(workspace)).await;
    let (reactions, running) = start(&stage);
    settled(&stage, &reactions).await;
    assert_eq!(stage.conversation(inside).await.role(BOB.account()), None);
    for id in [outside, later] {
        assert_eq!(stage.conversation(id).await.role(BOB.account()), Some(ConversationRole::Member));
    }
    running.stop().await;
}

#[tokio::test]
async fn whoever_was_added_on_an_outdated_role_is_let_go() {
    let (stage, organization) = stage(&[ALICE, BOB]).await;
    let organizations = &stage.services.organizations;
    organizations.remove_member(&stage.by(ALICE, 0), organization, BOB.account()).await.unwrap();
    let id = stage.group(organization, ALICE, &[]).await;
    let member = Candidate {
        account_id: BOB.account(),
        in_organization: Some(OrganizationMember { role: OrganizationRole::Member, term: 3 }),
        in_workspace: None,
        recipients: facts::recipients(&stage.services.executor, BOB.account()).await.unwrap(),
    };
    let command = ConversationCommand::AddMember(AddMember { member, role: ConversationRole::Member });
    let standing = stage.services.conversations.standing(id, ALICE.account()).await.unwrap();
    let request = stage.by(ALICE, 0).with_standing(standing);
    stage.services.executor.execute::<Conversation>(id, command, &request).await.unwrap();
    let (reactions, running) = start(&stage);
    settled(&stage, &reactions).await;
    assert_eq!(stage.conversation(id).await.role(BOB.account()), None);
    running.stop().await;
}

#[tokio::test]
async fn the_sessions_of_a_revoked_device_end_also_those_begun_meanwhile() {
    let stage = Stage::new().await;
    stage.enter(ALICE).await;
    stage.enroll(ALICE, 1).await;
    stage.revoke(ALICE, 1).await;
    // This login had found the device active a moment before.
    stage.log_in(ALICE, 2, Some(ALICE.device(1))).await;
    let (reactions, running) = start(&stage);
    settled(&stage, &reactions).await;
    let ended = Some(SessionRevocationCause::DeviceRevoked);
    assert_eq!(stage.session(ALICE.session(0)).await.revoked(), None);
    assert_eq!(stage.session(ALICE.session(1)).await.revoked(), ended);
    assert_eq!(stage.session(ALICE.session(2)).await.revoked(), ended);
    running.stop().await;
}

async fn account(stage: &Stage, command: AccountCommand, actor: Actor) {
    let mut request = stage.by(ALICE, 0);
    request.context.actor = actor;
    stage.services.executor.execute::<Account>(ALICE.account(), command, &request).await.unwrap();
}

#[tokio::test]
async fn a_changed_password_ends_the_other_sessions_and_a_reset_ends_all() {
    let stage = Stage::new().await;
    let password = || AccountPassword { phc: "$argon2id$".to_owned() };
    let token = Digest::from_bytes([5; 32]);
    let register = Register {
        account_id: ALICE.account(),
        contact: AccountContact { email: "alice@example.org".to_owned() },
        password: password(),
        profile: AccountProfile { display_name: "Alice".to_owned(), locale: None },
        confirmation_token_hash: token,
        confirmation_command_id: CommandId::from_bytes([5; 16]),
    };
    account(&stage, AccountCommand::Register(register), Actor::ANONYMOUS).await;
    stage.enter(ALICE).await;
    stage.enroll(ALICE, 1).await;
    // Another session of the device that is told to go on, and two without a device.
    stage.log_in(ALICE, 2, Some(ALICE.device(0))).await;
    stage.log_in(ALICE, 3, None).await;
    stage.log_in(ALICE, 4, None).await;
    let set = |cause, reset_token_hash, session_id| {
        let password = password();
        let verified = Some(1);
        AccountCommand::SetPassword(SetPassword { password, cause, reset_token_hash, session_id, verified })
    };
    let change = set(PasswordCause::Change, None, Some(ALICE.session(3)));
    account(&stage, change, Actor::account(ALICE.account())).await;
    let (reactions, running) = start(&stage);
    settled(&stage, &reactions).await;
    let ended = Some(SessionRevocationCause::PasswordChanged);
    assert_eq!(stage.session(ALICE.session(3)).await.revoked(), None);
    for session in [0, 1, 2, 4] {
        assert_eq!(stage.session(ALICE.session(session)).await.revoked(), ended, "{session}");
    }
    let token_command_id = CommandId::from_bytes([5; 16]);
    let reset = RequestPasswordReset { token_hash: token, token_command_id };
    account(&stage, AccountCommand::RequestPasswordReset(reset), Actor::ANONYMOUS).await;
    account(&stage, set(PasswordCause::Reset, Some(token), None), Actor::ANONYMOUS).await;
    settled(&stage, &reactions).await;
    assert_eq!(stage.session(ALICE.session(3)).await.revoked(), ended);
    running.stop().await;
}

/// Sessions of the index, in order.
async fn indexed(stage: &Stage) -> Vec<SessionId> {
    let sql = "SELECT session_id FROM write.sessions_by_account ORDER BY session_id";
    let rows = stage.database.client().await.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| SessionId::from(row.get::<_, uuid::Uuid>(0))).collect()
}

#[tokio::test]
async fn sessions_that_were_over_long_ago_are_forgotten_and_refreshed_ones_are_not() {
    const DAY: i64 = 86_400;
    let stage = Stage::new().await;
    stage.enter(ALICE).await;
    stage.enroll(ALICE, 1).await;
    stage.log_in(BOB, 0, None).await;
    let (reactions, running) = start(&stage);
    settled(&stage, &reactions).await;
    let [refreshed, over, bobs] = [ALICE.session(1), ALICE.session(0), BOB.session(0)];
    assert_eq!(indexed(&stage).await, [over, refreshed, bobs]);
    stage.parts.clock.advance_seconds(SESSION_IDLE_SECONDS - DAY);
    let refresh = RefreshSession {
        signed_by: None,
        presented_hash: Digest::from_bytes([1; 32]),
        successor_hash: Digest::from_bytes([0xaa; 32]),
    };
    let request = stage.by(ALICE, 1);
    stage.services.executor.execute::<Session>(refreshed, refresh.into(), &request).await.unwrap();
    // Over, but not for long: another node's clock may be behind.
    stage.parts.clock.advance_seconds(DAY + DAY - 1);
    stage.log_in(CAROL, 0, None).await;
    settled(&stage, &reactions).await;
    assert_eq!(indexed(&stage).await, [over, refreshed, bobs, CAROL.session(0)]);
    // Two are looked at for each that begins.
    stage.parts.clock.advance_seconds(1);
    for nth in 1..=2 {
        stage.log_in(CAROL, nth, None).await;
    }
    settled(&stage, &reactions).await;
    let carols = [0, 1, 2].map(|nth| CAROL.session(nth));
    assert_eq!(indexed(&stage).await, [&[refreshed], &carols[..]].concat());
    // What was kept still ends with its device.
    stage.revoke(ALICE, 1).await;
    settled(&stage, &reactions).await;
    let ended = Some(SessionRevocationCause::DeviceRevoked);
    assert_eq!(stage.session(refreshed).await.revoked(), ended);
    assert_eq!(indexed(&stage).await, carols);
    running.stop().await;
}

async fn answering_everything_again_changes_nothing(engine: Engine) {
    let (stage, organization) = populated(Stage::over(engine).await, &[ALICE, BOB]).await;
    let id = stage.group(organization, ALICE, &[BOB]).await;
    stage.enroll(BOB, 1).await;
    stage.revoke(BOB, 0).await;
    let (reactions, running) = start(&stage);
    settled(&stage, &reactions).await;
    running.stop().await;
    let (members, head) = (stage.conversation(id).await, head(&stage).await);
    stage.database.client().await.execute("DELETE FROM write.reaction_checkpoints", &[]).await.unwrap();
    let (reactions, running) = start(&stage);
    settled(&stage, &reactions).await;
    assert_eq!(stage.conversation(id).await, members);
    assert_eq!(self::head(&stage).await, head);
    let profile = OrganizationProfile { name: "Still here".to_owned() };
    stage.services.organizations.change_profile(&stage.by(ALICE, 0), organization, profile).await.unwrap();
    running.stop().await;
}

async fn head(stage: &Stage) -> Option<eventstore_schema::Position> {
    stage.parts.log.head().await.unwrap().position
}
