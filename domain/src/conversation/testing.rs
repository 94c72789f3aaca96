//! People, their devices, and conversations among them, for the tests of this context.

use ed25519_dalek::{Signer, SigningKey};

use crate::organization::{OrganizationMember, OrganizationRole};
use crate::workspace::{WorkspaceMember, WorkspaceRole};
use crate::{
    AccountDevice, AccountId, AccountRecipient, Actor, Aggregate, Blob, Context, ConversationId, DeviceId,
    Digest, Draft, HpkeKey, MessageId, Nonce, OrganizationId, RecipientId, Rejection, Signature, VerifyKey,
    WorkspaceId,
};

use super::binding::WrapBinding;
use super::commands::*;
use super::*;

pub(super) const ORGANIZATION: OrganizationId = OrganizationId::from_bytes([0xa0; 16]);
pub(super) const GROUP: ConversationId = ConversationId::from_bytes([0xc0; 16]);
/// Everybody's term in the organization.
pub(super) const TERM: u64 = 5;
pub(super) const WORKSPACE: WorkspaceId = WorkspaceId::from_bytes([0xb0; 16]);
/// Everybody's term in the workspace.
pub(super) const WORKSPACE_TERM: WorkspaceTerm = WorkspaceTerm { workspace_id: WORKSPACE, term: 3 };
pub(super) use crate::testing::NOW;

pub(super) const ALICE: Person = Person(1);
pub(super) const BOB: Person = Person(2);
pub(super) const CAROL: Person = Person(3);
/// Is in no conversation unless a test says so.
pub(super) const MALLORY: Person = Person(9);

/// Somebody; devices are numbered from 0, and 0 is the one they have from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Person(pub u8);

impl Person {
    pub(super) const fn account(self) -> AccountId {
        AccountId::from_bytes([self.0; 16])
    }

    pub(super) const fn device(self, nth: u8) -> DeviceId {
        let mut bytes = [self.0; 16];
        bytes[1] = 0xd0 + nth;
        DeviceId::from_bytes(bytes)
    }

    pub(super) fn signing_key(self, nth: u8) -> SigningKey {
        let mut seed = [self.0; 32];
        seed[1] = nth;
        SigningKey::from_bytes(&seed)
    }

    pub(super) fn device_recipient(self, nth: u8) -> Recipient {
        Recipient {
            recipient_id: self.device(nth).into(),
            kind: RecipientKind::Device,
            hpke_key: HpkeKey::from_bytes([self.0 ^ nth; 32]),
            verify_key: Some(VerifyKey::from_bytes(self.signing_key(nth).verifying_key().to_bytes())),
        }
    }

    pub(super) fn recovery_recipient(self) -> Recipient {
        let mut bytes = [self.0; 16];
        bytes[1] = 0xee;
        Recipient {
            recipient_id: RecipientId::from_bytes(bytes),
            kind: RecipientKind::Recovery,
            hpke_key: HpkeKey::from_bytes([self.0 ^ 0xff; 32]),
            verify_key: None,
        }
    }

    /// Device `nth` as a recipient.
    pub(super) fn device_key(self, nth: u8) -> AccountRecipient {
        AccountRecipient::new(self.account(), self.device(nth).into())
    }

    /// The keys of all that [`Person::candidate`] joins with, ascending.
    pub(super) fn recipient_keys(self) -> Vec<AccountRecipient> {
        let ids = self.candidate().recipients.into_iter().map(|one| one.recipient_id);
        ids.map(|id| AccountRecipient::new(self.account(), id)).collect()
    }

    /// The person with their own keys, under the ids of another's recipients.
    pub(super) fn with_devices_of(self, other: Person) -> Candidate {
        let mut candidate = self.candidate();
        for (own, others) in candidate.recipients.iter_mut().zip(other.candidate().recipients) {
            own.recipient_id = others.recipient_id;
        }
        candidate
    }

    /// The first device of [`Person::with_devices_of`].
    pub(super) fn device_key_of(self, other: Person) -> AccountRecipient {
        AccountRecipient::new(self.account(), other.device(0).into())
    }

    pub(super) fn candidate(self) -> Candidate {
        Candidate {
            account_id: self.account(),
            in_organization: Some(OrganizationMember { role: OrganizationRole::Member, term: TERM }),
            in_workspace: None,
            recipients: vec![self.device_recipient(0), self.recovery_recipient()],
        }
    }

    /// Gives commands from device `nth`.
    pub(super) fn on(self, nth: u8) -> Context {
        let standing = Standing { organization: Some(TERM), workspace: None };
        let device = Some(self.device(nth));
        Context { device, standing, ..Context::new(NOW, Actor::account(self.account())) }
    }

    /// Gives commands from a session without device.
    pub(super) fn without_device(self) -> Context {
        Context { device: None, ..self.on(0) }
    }
}

pub(super) fn platform() -> Context {
    Context::new(NOW, Actor::SYSTEM)
}

fn in_organization(context: Context, organization: Option<u64>) -> Context {
    Context { standing: Standing { organization, ..context.standing }, ..context }
}

/// The same after they were removed from the organization.
pub(super) fn out_of_organization(context: Context) -> Context {
    in_organization(context, None)
}

/// The same after they left the organization and joined it again.
pub(super) fn back_in_organization(context: Context) -> Context {
    in_organization(context, Some(TERM + 2))
}

fn of_term(context: Context, term: Option<u64>, is_archived: bool) -> Context {
    let term = term.map(|term| WorkspaceTerm { term, ..WORKSPACE_TERM });
    let workspace = Some(WorkspaceStanding { term, is_archived });
    Context { standing: Standing { workspace, ..context.standing }, ..context }
}

/// The same of a member of the workspace.
pub(super) fn in_workspace(context: Context) -> Context {
    of_term(context, Some(WORKSPACE_TERM.term), false)
}

/// The same after they were removed from the workspace.
pub(super) fn out_of_workspace(context: Context) -> Context {
    of_term(context, None, false)
}

/// The same after they left the workspace and joined it again.
pub(super) fn back_in_workspace(context: Context) -> Context {
    of_term(context, Some(WORKSPACE_TERM.term + 2), false)
}

/// The same of a member of the workspace, which was archived.
pub(super) fn archived(context: Context) -> Context {
    of_term(context, Some(WORKSPACE_TERM.term), true)
}

/// A candidate who is a member of the workspace.
pub(super) fn of_workspace(candidate: Candidate) -> Candidate {
    let WorkspaceTerm { term, .. } = WORKSPACE_TERM;
    let member = WorkspaceMember { role: WorkspaceRole::Member, term, organization_term: TERM };
    Candidate { in_workspace: Some(member), ..candidate }
}

/// A candidate who left the organization and joined it again.
pub(super) fn back_again(candidate: Candidate) -> Candidate {
    let member = OrganizationMember { role: OrganizationRole::Member, term: TERM + 2 };
    Candidate { in_organization: Some(member), ..candidate }
}

/// The person's term in the organization has ended.
pub(super) fn ended(person: Person) -> EndMembership {
    EndMembership { account_id: person.account(), ended: EndedTerms::Organization { before: TERM + 1 } }
}

/// The event by which a candidate joins whom somebody adds.
pub(super) fn joined(
    candidate: &Candidate,
    conversation_id: ConversationId,
    role: ConversationRole,
    added_by: Person,
) -> ConversationMemberJoined {
    ConversationMemberJoined {
        conversation_id,
        account_id: candidate.account_id,
        role,
        added_by: added_by.account(),
        organization_term: TERM,
        workspace: None,
        earlier: Earlier::NOTHING,
        recipients: candidate.recipients.clone(),
    }
}

/// One of each command that changes something, as Alice gives it; whether the conversation would take it is no matter.
pub(super) fn every_change(given: &Given) -> Vec<ConversationCommand> {
    let (account_id, role) = (BOB.account(), ConversationRole::Admin);
    let late_wrap = given.late_wrap(ALICE, AccountDevice::new(account_id, BOB.device(0)).into());
    vec![
        ChangeTitle { title: ConversationTitle { title: None, topic: None } }.into(),
        ChangeHistoryVisibility { history_visibility: HistoryVisibility::All }.into(),
        AddMember { member: of_workspace(CAROL.candidate()), role }.into(),
        ChangeRole { account_id, role }.into(),
        RemoveMember { account_id }.into(),
        given.verified(in_workspace(ALICE.on(0)), given.commit(ALICE)).expect("Alice may commit").into(),
        late_wrap.into(),
        ReportWrap { generation: 1, recipient_id: ALICE.device(0).into() }.into(),
        given.message().into(),
        given.edit(1).into(),
        DeleteMessage { number: 1 }.into(),
        given.reaction(1, 0).into(),
        ClearReaction { number: 1, slot: 0 }.into(),
        PinMessage { number: 1 }.into(),
        UnpinMessage { number: 1 }.into(),
        DeleteConversation {}.into(),
    ]
}

/// Something that comes of what a client asks.
pub(super) trait Asked {
    /// The command that is given then.
    fn command(self, given: &Given, context: Context) -> Result<ConversationCommand, Rejection>;
}

impl<C: Into<ConversationCommand>> Asked for C {
    fn command(self, _: &Given, _: Context) -> Result<ConversationCommand, Rejection> {
        Ok(self.into())
    }
}

impl Asked for NewGeneration {
    fn command(self, given: &Given, context: Context) -> Result<ConversationCommand, Rejection> {
        given.verified(context, self).map(Into::into)
    }
}

/// A conversation as it is after what happened, and all that happened.
#[derive(Clone, Default)]
pub(super) struct Given {
    pub state: Conversation,
    pub events: Vec<ConversationEvent>,
}

impl Given {
    /// A group that the first opened with the others.
    pub(super) fn group(people: &[Person]) -> Self {
        let [creator, members @ ..] = people else { panic!("a group has a creator") };
        Self::default().and(creator.on(0), create_group(*creator, members))
    }

    /// A group in the workspace that the first opened with the others.
    pub(super) fn in_workspace(people: &[Person]) -> Self {
        let [creator, members @ ..] = people else { panic!("a group has a creator") };
        let command = CreateConversation {
            workspace_id: Some(WORKSPACE),
            creator: of_workspace(creator.candidate()),
            members: members.iter().map(|person| of_workspace(person.candidate())).collect(),
            ..create_group(*creator, &[])
        };
        Self::default().and(in_workspace(creator.on(0)), command)
    }

    /// A direct conversation.
    pub(super) fn direct(creator: Person, other: Person) -> Self {
        Self::default().and(creator.on(0), create_direct(creator, other))
    }

    /// A group that takes messages in clear.
    pub(super) fn open_group(people: &[Person]) -> Self {
        let [creator, members @ ..] = people else { panic!("a group has a creator") };
        let command = CreateConversation { allows_plaintext: true, ..create_group(*creator, members) };
        Self::default().and(creator.on(0), command)
    }

    /// Then a valid generation was committed.
    pub(super) fn committed(self, by: Person) -> Self {
        let command = self.commit(by);
        self.and(by.on(0), command)
    }

    /// Then a message was sent under the current generation.
    pub(super) fn sent(self, by: Person) -> Self {
        let command = self.message();
        self.and(by.on(0), command)
    }

    /// Then this was done, which nobody refused.
    pub(super) fn and(mut self, context: Context, command: impl Asked) -> Self {
        for draft in self.when(context, command).expect("given") {
            assert_eq!(self.state.check(&draft.event), Ok(()), "what is decided keeps the rules");
            self.state.evolve(&draft.event, context.now);
            self.events.push(draft.event);
        }
        self
    }

    /// What comes of a command.
    pub(super) fn when(
        &self,
        context: Context,
        command: impl Asked,
    ) -> Result<Vec<Draft<ConversationEvent>>, Rejection> {
        self.state.decide(&command.command(self, context)?, &context)
    }

    /// The events that come of a command, without their sealed parts.
    pub(super) fn events(
        &self,
        context: Context,
        command: impl Asked,
    ) -> Result<Vec<ConversationEvent>, Rejection> {
        let drafts = self.when(context, command)?;
        Ok(drafts.into_iter().map(|draft| draft.event).collect())
    }

    /// Why a command is refused.
    pub(super) fn refusal(&self, context: Context, command: impl Asked) -> Rejection {
        self.when(context, command).expect_err("refused")
    }

    /// A commit of the next generation by the person's first device that nothing is wrong with.
    pub(super) fn commit(&self, by: Person) -> NewGeneration {
        let generation = self.state.generation() + 1;
        let transcript = self.state.next_transcript().expect("opened");
        let recipients = self.state.recipients();
        let keys = recipients.map(|(account, one)| AccountRecipient::new(account, one.recipient_id));
        let wraps = keys.map(|key| self.wrap(by, key, generation, transcript)).collect();
        NewGeneration { generation, suite: Suite::X25519Siv, transcript, wraps }
    }

    /// The command for a generation whose signatures hold.
    pub(super) fn verified(
        &self,
        context: Context,
        new: NewGeneration,
    ) -> Result<CommitGeneration, Rejection> {
        let signer = new.admit(&self.state, &context)?;
        Ok(CommitGeneration { wraps: signer.verify(new.wraps)? })
    }

    /// A wrap of the current generation.
    pub(super) fn late_wrap(&self, by: Person, recipient: AccountRecipient) -> AddWrap {
        let generation = self.state.generation();
        AddWrap { generation, wrap: self.wrap(by, recipient, generation, self.state.transcript()) }
    }

    fn wrap(&self, by: Person, recipient: AccountRecipient, generation: u32, transcript: Digest) -> Wrap {
        let binding = WrapBinding {
            organization_id: ORGANIZATION,
            conversation_id: self.state.id().expect("opened"),
            generation,
            suite: Suite::X25519Siv,
            recipient,
            device: AccountDevice::new(by.account(), by.device(0)),
            transcript,
        };
        signed_wrap(&binding, &by.signing_key(0))
    }

    /// An encrypted message under the current generation.
    pub(super) fn message(&self) -> SendMessage {
        SendMessage {
            message_id: MessageId::from_bytes([0x3e; 16]),
            generation: self.state.generation(),
            reply_to: None,
            body: encrypted_body(),
        }
    }

    /// An encrypted edit under the current generation.
    pub(super) fn edit(&self, number: u64) -> EditMessage {
        let SendMessage { message_id, generation, body, .. } = self.message();
        EditMessage { number, message_id, generation, body }
    }

    /// An encrypted reaction under the current generation.
    pub(super) fn reaction(&self, number: u64, slot: u8) -> SetReaction {
        let SendMessage { message_id, generation, body, .. } = self.message();
        SetReaction { reaction_id: message_id, number, slot, generation, body }
    }
}

pub(super) fn signed_wrap(binding: &WrapBinding, key: &SigningKey) -> Wrap {
    let encapsulated_key = HpkeKey::from_bytes([0x11; 32]);
    let ciphertext = vec![0x22; 80];
    let signature = key.sign(&binding.signature_input(&encapsulated_key, &ciphertext));
    Wrap {
        account_id: binding.recipient.account_id,
        recipient_id: binding.recipient.recipient_id,
        encapsulated_key,
        ciphertext: Blob::new(ciphertext),
        signature: Signature::from_bytes(signature.to_bytes()),
    }
}

pub(super) fn create_group(creator: Person, members: &[Person]) -> CreateConversation {
    CreateConversation {
        conversation_id: GROUP,
        organization_id: ORGANIZATION,
        workspace_id: None,
        kind: ConversationKind::Group,
        title: ConversationTitle { title: Some("Harbour".to_owned()), topic: None },
        allows_plaintext: false,
        history_visibility: HistoryVisibility::Joined,
        creator: creator.candidate(),
        members: members.iter().map(|person| person.candidate()).collect(),
    }
}

pub(super) fn create_direct(creator: Person, other: Person) -> CreateConversation {
    CreateConversation {
        conversation_id: direct_conversation_id(ORGANIZATION, creator.account(), other.account()),
        kind: ConversationKind::Direct,
        title: ConversationTitle { title: None, topic: None },
        ..create_group(creator, &[other])
    }
}

pub(super) fn encrypted_body() -> MessageBody {
    let cipher = Cipher {
        nonce: Nonce::from_bytes([1; 16]),
        commitment: Digest::from_bytes([2; 32]),
        signature: Signature::from_bytes([3; 64]),
    };
    MessageBody { content: Blob::new(vec![0x55; 128]), cipher: Some(cipher) }
}

pub(super) fn clear_body() -> MessageBody {
    MessageBody { content: Blob::new(b"hello".to_vec()), cipher: None }
}
