//! Removal from an organization or a workspace holds at once, on every node, while no reaction runs.

use std::sync::atomic::{AtomicU8, Ordering};

use domain::conversation::commands::SendMessage;
use domain::conversation::{ConversationRole, ConversationTitle, MessageBody};
use domain::conversation_member::Watermarks;
use domain::organization::OrganizationRole;
use domain::workspace::{WorkspaceProfile, WorkspaceRole};
use domain::{Blob, ConversationId, MessageId, OrganizationId, Rejection, WorkspaceId};

use super::stage::*;
use crate::Services;
use crate::executor::ExecuteError;
use crate::services::{NewConversation, NewInvitation};

fn refused<T: std::fmt::Debug>(answer: Result<T, ExecuteError>) -> Rejection {
    answer.unwrap_err().rejection().cloned().expect("a rejection")
}

/// A message of its own: a repeated one is answered as the first time.
fn hello() -> SendMessage {
    static COUNT: AtomicU8 = AtomicU8::new(1);
    SendMessage {
        message_id: MessageId::from_bytes([COUNT.fetch_add(1, Ordering::Relaxed); 16]),
        generation: 0,
        reply_to: None,
        body: MessageBody { content: Blob::new(b"hello".to_vec()), cipher: None },
    }
}

/// People with devices in an organization, and two nodes.
struct Nodes {
    stage: Stage,
    organization: OrganizationId,
    here: Services,
    there: Services,
}

impl Nodes {
    async fn new(people: &[Person]) -> Self {
        let stage = Stage::new().await;
        for person in people {
            stage.enter(*person).await;
        }
        let organization = stage.organization(people).await;
        let (here, there) = (stage.services.clone(), Services::new(&stage.parts));
        Self { stage, organization, here, there }
    }

    /// A group of Alice and Bob that both nodes have at hand.
    async fn group(&self, workspace_id: Option<WorkspaceId>) -> ConversationId {
        let new = NewConversation { workspace_id, ..self.stage.new_group(self.organization, &[BOB]) };
        let opened = self.here.conversations.create(&self.stage.by(ALICE, 0), new).await.unwrap();
        let id = ConversationId::from(opened.stream.id);
        for node in [&self.here, &self.there] {
            node.conversations.send(&self.stage.by(BOB, 0), id, hello()).await.unwrap();
        }
        id
    }

    async fn workspace(&self, people: &[Person]) -> WorkspaceId {
        let profile = WorkspaceProfile { name: "Lab".to_owned(), description: None };
        let created =
            self.here.workspaces.create(&self.stage.by(ALICE, 0), self.organization, profile).await.unwrap();
        let id = WorkspaceId::from(created.stream.id);
        for person in people {
            self.join_workspace(id, *person).await;
        }
        id
    }

    async fn join_workspace(&self, id: WorkspaceId, person: Person) {
        let (request, role) = (self.stage.by(ALICE, 0), WorkspaceRole::Member);
        self.here.workspaces.add_member(&request, id, person.account(), role).await.unwrap();
    }

    async fn remove_from_organization(&self, person: Person) {
        let request = self.stage.by(ALICE, 0);
        self.here.organizations.remove_member(&request, self.organization, person.account()).await.unwrap();
    }

    async fn invite(&self, by: Person, role: OrganizationRole) -> crate::services::InvitationToken {
        let expires_at = self.stage.parts.clock.now().plus_seconds(60);
        let new = NewInvitation { role, uses_max: 9, expires_at };
        let request = self.stage.by(by, 0);
        self.here.organizations.create_invitation(&request, self.organization, new).await.unwrap().token
    }

    async fn join(&self, person: Person) {
        let token = self.invite(ALICE, OrganizationRole::Member).await;
        self.here.organizations.accept_invitation(&self.stage.by(person, 0), &token).await.unwrap();
    }

    /// What Bob's commands are refused with on the other node; all alike.
    async fn refusal(&self, id: ConversationId) -> Rejection {
        let (conversations, by) = (&self.there.conversations, || self.stage.by(BOB, 0));
        let title = ConversationTitle { title: Some("Mine".to_owned()), topic: None };
        let receipt = Watermarks { delivered_up_to: 1, read_up_to: 1 };
        let (member, alice) = (ConversationRole::Member, ALICE.account());
        let refusals = [
            refused(conversations.send(&by(), id, hello()).await),
            refused(conversations.record_receipt(&by(), id, receipt).await),
            refused(conversations.delete_message(&by(), id, 1).await),
            refused(conversations.pin(&by(), id, 1).await),
            refused(conversations.unpin(&by(), id, 1).await),
            refused(conversations.clear_reaction(&by(), id, 1, 0).await),
            refused(conversations.change_title(&by(), id, title).await),
            refused(conversations.change_role(&by(), id, alice, member).await),
            refused(conversations.add_member(&by(), id, CAROL.account(), member).await),
            refused(conversations.remove_member(&by(), id, BOB.account()).await),
            refused(conversations.delete(&by(), id).await),
        ];
        let first = refusals[0].clone();
        assert!(refusals.iter().all(|refusal| *refusal == first), "{refusals:?}");
        first
    }
}

#[tokio::test]
async fn who_may_is_known_without_reading_as_long_as_nothing_has_changed() {
    let nodes = Nodes::new(&[ALICE, BOB]).await;
    let lab = nodes.workspace(&[BOB]).await;
    for workspace in [None, Some(lab)] {
        let id = nodes.group(workspace).await;
        let send = async |by: Person| {
            let request = nodes.stage.by(by, 0).with_session(Some(by.session(0)));
            nodes.there.conversations.send(&request, id, hello()).await
        };
        send(BOB).await.unwrap();
        nodes.stage.faulty.faults().fail_reads(true);
        let sent = send(BOB).await.unwrap();
        assert_eq!((sent.replayed, sent.events.len()), (false, 1));
        // Of Alice nothing is known on that node yet.
        assert!(matches!(send(ALICE).await, Err(ExecuteError::Unavailable { .. })));
        nodes.stage.faulty.faults().fail_reads(false);
        // What is refused is refused by what is on record now.
        let early = SendMessage { reply_to: Some(99), ..hello() };
        let by = nodes.stage.by(BOB, 0).with_session(Some(BOB.session(0)));
        let refusal = refused(nodes.there.conversations.send(&by, id, early).await);
        assert_eq!(refusal, Rejection::MessageNotFound);
    }
}

#[tokio::test]
async fn whoever_was_removed_from_the_organization_is_a_stranger_on_every_node_at_once() {
    let nodes = Nodes::new(&[ALICE, BOB]).await;
    let id = nodes.group(None).await;
    nodes.remove_from_organization(BOB).await;
    assert_eq!(nodes.refusal(id).await, Rejection::ConversationNotFound);
    // What others do goes on.
    nodes.there.conversations.send(&nodes.stage.by(ALICE, 0), id, hello()).await.unwrap();
}

#[tokio::test]
async fn whoever_comes_back_to_the_organization_is_not_back_in_its_conversations() {
    let nodes = Nodes::new(&[ALICE, BOB]).await;
    let id = nodes.group(None).await;
    nodes.remove_from_organization(BOB).await;
    nodes.join(BOB).await;
    assert_eq!(nodes.refusal(id).await, Rejection::ConversationNotFound);
    let (by, member) = (nodes.stage.by(ALICE, 0), ConversationRole::Member);
    nodes.there.conversations.add_member(&by, id, BOB.account(), member).await.unwrap();
    nodes.there.conversations.send(&nodes.stage.by(BOB, 0), id, hello()).await.unwrap();
}

#[tokio::test]
async fn whoever_was_removed_from_the_workspace_is_a_stranger_in_its_conversations_at_once() {
    let nodes = Nodes::new(&[ALICE, BOB, CAROL]).await;
    let workspace = nodes.workspace(&[BOB]).await;
    let (id, elsewhere) = (nodes.group(Some(workspace)).await, nodes.group(None).await);
    let answer = nodes
        .there
        .conversations
        .add_member(&nodes.stage.by(ALICE, 0), id, CAROL.account(), ConversationRole::Member)
        .await;
    assert_eq!(refused(answer), Rejection::NotWorkspaceMember { account_id: CAROL.account() });
    let by = nodes.stage.by(ALICE, 0);
    nodes.here.workspaces.remove_member(&by, workspace, BOB.account()).await.unwrap();
    assert_eq!(nodes.refusal(id).await, Rejection::ConversationNotFound);
    // Not even when they are added to the workspace again.
    nodes.join_workspace(workspace, BOB).await;
    assert_eq!(nodes.refusal(id).await, Rejection::ConversationNotFound);
    nodes.there.conversations.send(&nodes.stage.by(BOB, 0), elsewhere, hello()).await.unwrap();
}

#[tokio::test]
async fn a_membership_of_the_workspace_ends_with_the_term_in_the_organization() {
    let nodes = Nodes::new(&[ALICE, BOB]).await;
    let workspace = nodes.workspace(&[BOB]).await;
    nodes.remove_from_organization(BOB).await;
    nodes.join(BOB).await;
    let new = NewConversation {
        workspace_id: Some(workspace),
        ..nodes.stage.new_group(nodes.organization, &[ALICE])
    };
    let answer = nodes.there.conversations.create(&nodes.stage.by(BOB, 0), new).await;
    assert_eq!(refused(answer), Rejection::WorkspaceNotFound);
    let by = nodes.stage.by(BOB, 0);
    let answer = nodes.there.workspaces.remove_member(&by, workspace, BOB.account()).await;
    assert_eq!(refused(answer), Rejection::WorkspaceNotFound);
}

#[tokio::test]
async fn conversations_of_an_archived_workspace_are_read_only_at_once() {
    let nodes = Nodes::new(&[ALICE, BOB]).await;
    let workspace = nodes.workspace(&[BOB]).await;
    let id = nodes.group(Some(workspace)).await;
    nodes.here.workspaces.archive(&nodes.stage.by(ALICE, 0), workspace).await.unwrap();
    let conversations = &nodes.there.conversations;
    let answer = conversations.send(&nodes.stage.by(BOB, 0), id, hello()).await;
    assert_eq!(refused(answer), Rejection::WorkspaceArchived);
    let receipt = Watermarks { delivered_up_to: 1, read_up_to: 1 };
    conversations.record_receipt(&nodes.stage.by(BOB, 0), id, receipt).await.unwrap();
    conversations.remove_member(&nodes.stage.by(BOB, 0), id, BOB.account()).await.unwrap();
}

#[tokio::test]
async fn an_invitation_dies_with_the_right_of_whoever_made_it_on_every_node_at_once() {
    let nodes = Nodes::new(&[ALICE, BOB]).await;
    let (by, role) = (nodes.stage.by(ALICE, 0), OrganizationRole::Admin);
    let bob = BOB.account();
    nodes.here.organizations.change_member_role(&by, nodes.organization, bob, role).await.unwrap();
    let token = nodes.invite(BOB, OrganizationRole::Admin).await;
    let own = nodes.invite(ALICE, OrganizationRole::Member).await;
    nodes.remove_from_organization(BOB).await;
    for (person, token) in [(CAROL, &token), (BOB, &token), (BOB, &own)] {
        let answer = nodes.there.organizations.accept_invitation(&nodes.stage.by(person, 0), token).await;
        assert_eq!(refused(answer), Rejection::InvitationInvalid);
    }
    nodes.there.organizations.accept_invitation(&nodes.stage.by(CAROL, 0), &own).await.unwrap();
}
