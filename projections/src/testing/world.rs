//! Random but valid histories: people who register, meet, talk and leave, decided by the aggregates themselves.

mod acts;
mod conversing;

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use domain::account::Account;
use domain::conversation::{Conversation, Recipient};
use domain::conversation_member::ConversationMember;
use domain::device::DeviceSet;
use domain::organization::Organization;
use domain::session::Session;
use domain::workspace::Workspace;
use domain::{
    AccountId, Actor, Aggregate, CommandId, Context, ConversationId, CorrelationId, DeviceId, Digest, Draft,
    EventGroup, EventId, Timestamp,
};
use ed25519_dalek::SigningKey;
use eventstore_schema::{
    CommandRef, EventLog, Expected, KeyRef, NewEvent, Origin, Position, Revision, StreamAppend, StreamId,
    catalogue,
};
use uuid::Uuid;

/// A seeded source of choices (SplitMix64).
pub(super) struct Random(u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).expect("a bound")).expect("a number")
    }

    /// One of the list, if it has any.
    pub(super) fn of<T: Clone>(&mut self, list: &[T]) -> Option<T> {
        if list.is_empty() { None } else { Some(list[self.below(list.len())].clone()) }
    }

    pub(super) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.next().to_le_bytes()[0])
    }
}

/// An aggregate as its events made it, and where its stream ends.
pub(super) struct Kept<A> {
    pub(super) id: Uuid,
    pub(super) state: A,
    revision: Option<Revision>,
}

impl<A: Aggregate> Kept<A> {
    pub(super) fn new(id: impl Into<Uuid>) -> Self {
        Self { id: id.into(), state: A::default(), revision: None }
    }
}

pub(super) struct Person {
    pub(super) id: AccountId,
    pub(super) account: Kept<Account>,
    pub(super) devices: Kept<DeviceSet>,
}

impl Person {
    pub(super) fn recipients(&self) -> Vec<Recipient> {
        self.devices.state.active_recipients()
    }
}

/// Writes to the log.
pub(super) struct Recorder {
    log: Arc<dyn EventLog>,
    made: u64,
    position: Option<Position>,
}

impl Recorder {
    /// An id that no other is like.
    pub(super) fn id(&mut self) -> [u8; 16] {
        self.made += 1;
        let hash = blake3::hash(&self.made.to_be_bytes());
        let mut id = [0; 16];
        id.copy_from_slice(&hash.as_bytes()[..16]);
        id
    }

    /// Time goes on with everything that is made.
    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_800_000_000_000_000)
            .plus_seconds(i64::try_from(self.made).expect("a number"))
    }

    pub(super) fn by(&mut self, account: AccountId, device: Option<DeviceId>) -> Context {
        Context { device, ..Context::new(self.now(), Actor::account(account)) }
    }

    pub(super) fn platform(&mut self) -> Context {
        Context::new(self.now(), Actor::SYSTEM)
    }

    /// Gives a command; whether anything was recorded. What the rules refuse changes nothing.
    pub(super) async fn give<A: Aggregate>(
        &mut self,
        kept: &mut Kept<A>,
        command: impl Into<A::Command>,
        context: Context,
    ) -> bool {
        let Ok(drafts) = kept.state.decide(&command.into(), &context) else { return false };
        if drafts.is_empty() {
            return false;
        }
        for draft in &drafts {
            kept.state.evolve(&draft.event, context.now);
        }
        let organization_id = kept.state.organization();
        let stream = StreamId::new(A::CATEGORY, kept.id);
        let origin = Origin {
            organization_id,
            actor: context.actor,
            device_id: context.device,
            correlation_id: CorrelationId::from_bytes(self.id()),
            causation_id: None,
            recorded_at: context.now,
        };
        let events = drafts.into_iter().map(|draft| self.encode(draft, &origin)).collect();
        let append = StreamAppend {
            stream,
            expected: Expected::after(kept.revision),
            command: CommandRef {
                id: CommandId::from_bytes(self.id()),
                fingerprint: Digest::from_bytes([0; 32]),
            },
            origin,
            events,
            conditions: Vec::new(),
        };
        let appended = self.log.append(append).await.expect("the log takes what was decided");
        kept.revision = Some(appended.last_revision);
        self.position = Some(appended.position);
        true
    }

    fn encode<E: EventGroup>(&mut self, draft: Draft<E>, origin: &Origin) -> NewEvent {
        let event_id = EventId::from_bytes(self.id());
        let key_ref = draft.plain.as_ref().map(|plain| KeyRef {
            tenant: origin.organization_id.into(),
            subject: plain.subject,
            period: plain.period,
        });
        NewEvent {
            event_id,
            event_type: draft.event.name(),
            version: draft.event.version(),
            payload: catalogue::encode(&draft.event).expect("an event encodes"),
            key_ref,
            // Bytes that nobody can open, as for a projection they always are.
            sealed: key_ref.map(|_| Bytes::copy_from_slice(blake3::hash(event_id.as_bytes()).as_bytes())),
        }
    }
}

/// A history in the making. The same seed makes the same history.
pub struct World {
    pub(super) recorder: Recorder,
    pub(super) random: Random,
    pub(super) people: Vec<Person>,
    /// With the refresh token that holds.
    pub(super) sessions: Vec<(Kept<Session>, Digest)>,
    pub(super) organizations: Vec<Kept<Organization>>,
    pub(super) workspaces: Vec<Kept<Workspace>>,
    pub(super) conversations: Vec<Kept<Conversation>>,
    pub(super) members: HashMap<(ConversationId, AccountId), Kept<ConversationMember>>,
}

impl World {
    /// A world whose events go to `log`.
    pub fn new(log: Arc<dyn EventLog>, seed: u64) -> Self {
        Self {
            recorder: Recorder { log, made: 0, position: None },
            random: Random(seed),
            people: Vec::new(),
            sessions: Vec::new(),
            organizations: Vec::new(),
            workspaces: Vec::new(),
            conversations: Vec::new(),
            members: HashMap::new(),
        }
    }

    /// Position of the last event.
    pub fn position(&self) -> Option<Position> {
        self.recorder.position
    }

    /// Lets so many commands happen that are not refused.
    pub async fn live(&mut self, commands: usize) {
        let mut done = 0;
        while done < commands {
            if self.act().await {
                done += 1;
            }
        }
    }

    /// Accounts there are.
    pub fn accounts(&self) -> Vec<AccountId> {
        self.people.iter().map(|person| person.id).collect()
    }

    /// Conversations there are, as their events made them.
    pub fn conversations(&self) -> impl Iterator<Item = &Conversation> {
        self.conversations.iter().map(|kept| &kept.state)
    }

    /// What an account has acknowledged in a conversation, if it ever did.
    pub fn member(&self, conversation: ConversationId, account: AccountId) -> Option<&ConversationMember> {
        self.members.get(&(conversation, account)).map(|kept| &kept.state)
    }

    /// Organizations there are, as their events made them.
    pub fn organizations(&self) -> impl Iterator<Item = (domain::OrganizationId, &Organization)> {
        self.organizations.iter().map(|kept| (kept.id.into(), &kept.state))
    }

    /// Workspaces there are, as their events made them.
    pub fn workspaces(&self) -> impl Iterator<Item = (domain::WorkspaceId, &Workspace)> {
        self.workspaces.iter().map(|kept| (kept.id.into(), &kept.state))
    }
}

/// The key that signs for a device or an account.
pub(super) fn signing_key(id: &[u8; 16]) -> SigningKey {
    SigningKey::from_bytes(blake3::hash(id).as_bytes())
}
