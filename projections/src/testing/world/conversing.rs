//! What people do in conversations.

use domain::conversation::binding::WrapBinding;
use domain::conversation::commands::*;
use domain::conversation::{
    Cipher, Conversation, ConversationKind, ConversationRole, ConversationTitle, HistoryVisibility,
    MessageBody, RecipientKind, Standing, Suite, Wrap, direct_conversation_id,
};
use domain::conversation_member::commands::RecordReceipt;
use domain::conversation_member::{Watermarks, conversation_member_id};
use domain::{
    AccountDevice, AccountId, AccountRecipient, Blob, Context, ConversationId, DeviceId, Digest, HpkeKey,
    MessageId, Nonce, OrganizationId, Signature,
};
use ed25519_dalek::Signer;

use super::{Kept, World, signing_key};

/// Few enough that people meet again and again.
const CONVERSATIONS_MAX: usize = 6;

impl World {
    fn candidate(&self, organization: usize, who: usize) -> Candidate {
        let person = &self.people[who];
        Candidate {
            account_id: person.id,
            in_organization: self.organizations[organization].state.member(person.id),
            in_workspace: None,
            recipients: person.recipients(),
        }
    }

    pub(super) async fn open_conversation(&mut self) -> bool {
        let (Some(who), Some(other)) = (self.person(), self.person()) else { return false };
        if self.organizations.is_empty() {
            return false;
        }
        let organization = self.random.below(self.organizations.len());
        let organization_id = OrganizationId::from(self.organizations[organization].id);
        let is_direct = self.random.below(3) == 0;
        let (kind, conversation_id) = if is_direct {
            let (one, two) = (self.people[who].id, self.people[other].id);
            (ConversationKind::Direct, direct_conversation_id(organization_id, one, two))
        } else {
            (ConversationKind::Group, ConversationId::from_bytes(self.recorder.id()))
        };
        let known = self.conversations.iter().position(|kept| kept.id == conversation_id.as_uuid());
        if known.is_none() && self.conversations.len() >= CONVERSATIONS_MAX {
            return false;
        }
        let title = (!is_direct).then(|| "Crew".to_owned());
        let create = CreateConversation {
            conversation_id,
            organization_id,
            workspace_id: None,
            kind,
            title: ConversationTitle { title, topic: None },
            allows_plaintext: self.random.below(4) == 0,
            history_visibility: HistoryVisibility::Joined,
            creator: self.candidate(organization, who),
            members: vec![self.candidate(organization, other)],
        };
        let mut kept = Kept::new(conversation_id);
        let context = self.recorder.by(self.people[who].id, None);
        if let Some(known) = known {
            return self.recorder.give(&mut self.conversations[known], create, context).await;
        }
        let done = self.recorder.give(&mut kept, create, context).await;
        if done {
            self.conversations.push(kept);
        }
        done
    }

    /// A person acting in a conversation, with their standing in its organization.
    fn context(&mut self, place: usize, who: usize, device: Option<DeviceId>) -> Context {
        let account_id = self.people[who].id;
        let id = domain::Aggregate::organization(&self.conversations[place].state);
        let here = self.organizations.iter().find(|kept| Some(OrganizationId::from(kept.id)) == id);
        let organization = here.and_then(|kept| kept.state.member(account_id)).map(|member| member.term);
        let standing = Standing { organization, workspace: None };
        Context { standing, ..self.recorder.by(account_id, device) }
    }

    /// A conversation and a person, mostly one of its members.
    fn place(&mut self) -> Option<(usize, usize)> {
        let who = self.person()?;
        if self.conversations.is_empty() {
            return None;
        }
        let place = self.random.below(self.conversations.len());
        let members: Vec<_> = self.conversations[place].state.members().map(|(id, _)| id).collect();
        let member = self.random.of(&members);
        let member = member.and_then(|id| self.people.iter().position(|person| person.id == id));
        Some((place, member.unwrap_or(who)))
    }

    pub(super) async fn change_members(&mut self) -> bool {
        let (Some((place, who)), Some(other)) = (self.place(), self.person()) else { return false };
        let organization_id = domain::Aggregate::organization(&self.conversations[place].state);
        let organization =
            self.organizations.iter().position(|kept| Some(OrganizationId::from(kept.id)) == organization_id);
        let member = self.candidate(organization.expect("its organization"), other);
        let account_id = self.people[other].id;
        let recipients = self.people[other].recipients();
        let context = self.context(place, who, None);
        let kept = &mut self.conversations[place];
        let role = self.random.of(&[ConversationRole::Member, ConversationRole::Admin]).expect("a role");
        match self.random.below(40) {
            0 => self.recorder.give(kept, DeleteConversation {}, context).await,
            1..8 => {
                let title = ConversationTitle { title: Some("Fleet".to_owned()), topic: None };
                self.recorder.give(kept, ChangeTitle { title }, context).await
            }
            8..10 => {
                let history_visibility = match kept.state.history_visibility() {
                    HistoryVisibility::Joined => HistoryVisibility::All,
                    HistoryVisibility::All => HistoryVisibility::Joined,
                };
                self.recorder.give(kept, ChangeHistoryVisibility { history_visibility }, context).await
            }
            10..12 => self.recorder.give(kept, ChangeRole { account_id, role }, context).await,
            12..18 => self.recorder.give(kept, RemoveMember { account_id }, context).await,
            18..26 => settle(&mut self.recorder, kept, account_id, &recipients).await,
            _ => self.recorder.give(kept, AddMember { member, role }, context).await,
        }
    }

    pub(super) async fn change_keys(&mut self) -> bool {
        let Some((place, who)) = self.place() else { return false };
        let account_id = self.people[who].id;
        let here = device_here(&self.conversations[place].state, account_id);
        let Some(device_id) = here else { return false };
        let context = self.context(place, who, Some(device_id));
        let kept = &mut self.conversations[place];
        let choice = self.random.below(8);
        if kept.state.commit_required() || choice == 0 {
            let commit = commit(&kept.state, AccountDevice::new(account_id, device_id), &context);
            let Some(commit) = commit else { return false };
            return self.recorder.give(kept, commit, context).await;
        }
        let generation = kept.state.generation();
        let waiting: Vec<_> = kept.state.waiting().collect();
        match self.random.of(&waiting) {
            Some(recipient) if choice < 6 => {
                let sender = AccountDevice::new(account_id, device_id);
                let wrap = wrap(&kept.state, sender, recipient, generation, kept.state.transcript());
                self.recorder.give(kept, AddWrap { generation, wrap }, context).await
            }
            Some(_) | None => {
                let command = ReportWrap { generation, recipient_id: device_id.into() };
                self.recorder.give(kept, command, context).await
            }
        }
    }

    pub(super) async fn talk(&mut self) -> bool {
        let Some((place, who)) = self.place() else { return false };
        let account_id = self.people[who].id;
        let reaction_id = MessageId::from_bytes(self.recorder.id());
        let here = device_here(&self.conversations[place].state, account_id);
        let Some(device_id) = here else { return false };
        let context = self.context(place, who, Some(device_id));
        let kept = &mut self.conversations[place];
        let id_of = message_ids(kept.id);
        let last = kept.state.last_number();
        let number =
            1 + u64::try_from(self.random.below(usize::try_from(last).unwrap_or(0) + 1)).expect("a number");
        let (generation, body) = content(&kept.state);
        let slot = u8::try_from(self.random.below(3)).expect("a slot");
        match self.random.below(20) {
            0 => {
                let edit = EditMessage { number, message_id: id_of(number), generation, body };
                self.recorder.give(kept, edit, context).await
            }
            1 => self.recorder.give(kept, DeleteMessage { number }, context).await,
            2 | 3 => {
                let reaction = SetReaction { reaction_id, number, slot, generation, body };
                self.recorder.give(kept, reaction, context).await
            }
            4 => self.recorder.give(kept, ClearReaction { number, slot }, context).await,
            5 => self.recorder.give(kept, PinMessage { number }, context).await,
            6 => self.recorder.give(kept, UnpinMessage { number }, context).await,
            7..11 => {
                let read_up_to = number.min(last).saturating_sub(u64::from(slot));
                let marks = Watermarks { delivered_up_to: number.min(last), read_up_to };
                let Ok(acknowledgement) = kept.state.acknowledge(marks, &context) else { return false };
                let id = ConversationId::from(kept.id);
                let member = self.members.entry((id, account_id));
                let member = member.or_insert_with(|| Kept::new(conversation_member_id(id, account_id)));
                self.recorder.give(member, RecordReceipt { acknowledgement }, context).await
            }
            _ => {
                let reply_to = (slot == 0 && last > 0).then(|| number.min(last));
                let send = SendMessage { message_id: id_of(last + 1), generation, reply_to, body };
                self.recorder.give(kept, send, context).await
            }
        }
    }
}

/// Brings a member's recipients in the conversation to those of their account, as the platform does.
async fn settle(
    recorder: &mut super::Recorder,
    kept: &mut Kept<Conversation>,
    account_id: AccountId,
    recipients: &[domain::conversation::Recipient],
) -> bool {
    let context = recorder.platform();
    let here: Vec<_> = kept.state.recipients_of(account_id).map(|one| one.recipient_id).collect();
    if let Some(recipient) = recipients.iter().find(|one| !here.contains(&one.recipient_id)) {
        let recipient = recipient.clone();
        return recorder.give(kept, AddRecipient { account_id, recipient }, context).await;
    }
    match here.into_iter().find(|id| !recipients.iter().any(|one| one.recipient_id == *id)) {
        Some(recipient_id) => {
            recorder.give(kept, RemoveRecipient { account_id, recipient_id }, context).await
        }
        None => false,
    }
}

fn device_here(state: &Conversation, account_id: AccountId) -> Option<DeviceId> {
    let found = state.recipients_of(account_id).find(|one| one.kind == RecipientKind::Device)?;
    Some(DeviceId::from_bytes(*found.recipient_id.as_bytes()))
}

/// The next generation; `None` where the conversation takes none from them.
fn commit(state: &Conversation, sender: AccountDevice, context: &Context) -> Option<CommitGeneration> {
    let generation = state.generation() + 1;
    let transcript = state.next_transcript()?;
    let keys =
        state.recipients().map(|(account_id, one)| AccountRecipient::new(account_id, one.recipient_id));
    let wraps = keys.map(|key| wrap(state, sender, key, generation, transcript)).collect();
    let new = NewGeneration { generation, suite: Suite::X25519Siv, transcript, wraps };
    let signer = new.admit(state, context).ok()?;
    Some(CommitGeneration { wraps: signer.verify(new.wraps).expect("signatures that hold") })
}

fn wrap(
    state: &Conversation,
    device: AccountDevice,
    recipient: AccountRecipient,
    generation: u32,
    transcript: Digest,
) -> Wrap {
    let binding = WrapBinding {
        organization_id: domain::Aggregate::organization(state).expect("an organization"),
        conversation_id: state.id().expect("an open conversation"),
        generation,
        suite: Suite::X25519Siv,
        recipient,
        device,
        transcript,
    };
    let (encapsulated_key, ciphertext) = (HpkeKey::from_bytes([1; 32]), vec![2; 80]);
    let key = signing_key(device.device_id.as_bytes());
    let signed = key.sign(&binding.signature_input(&encapsulated_key, &ciphertext));
    let signature = Signature::from_bytes(signed.to_bytes());
    let AccountRecipient { account_id, recipient_id } = recipient;
    Wrap { account_id, recipient_id, encapsulated_key, ciphertext: Blob::new(ciphertext), signature }
}

fn content(state: &Conversation) -> (u32, MessageBody) {
    let is_clear = state.allows_plaintext() && state.commit_required();
    let cipher = Cipher {
        nonce: Nonce::from_bytes([1; 16]),
        commitment: Digest::from_bytes([2; 32]),
        signature: Signature::from_bytes([3; 64]),
    };
    let body = MessageBody { content: Blob::new(vec![4; 128]), cipher: (!is_clear).then_some(cipher) };
    (if is_clear { 0 } else { state.generation() }, body)
}

/// The ids of a conversation's messages by their numbers, so that an edit knows its message's.
fn message_ids(conversation: uuid::Uuid) -> impl Fn(u64) -> MessageId {
    move |number| {
        let mut bytes = conversation.into_bytes();
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        MessageId::from_bytes(bytes)
    }
}
