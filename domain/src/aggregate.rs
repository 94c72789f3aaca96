//! The shape every aggregate has: state, decide, evolve.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codes::codes;
use crate::conversation::Standing;
use crate::event::{EventGroup, Payload};
use crate::ids::{AccountId, ConversationId, DeviceId, OrganizationId};
use crate::records::PersonalRecord;
use crate::rejection::Rejection;
use crate::time::Timestamp;
use crate::violation::Violation;

macro_rules! categories {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)+) => {
        /// The kinds of streams. A stream is `<category>-<id>`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Category { $($(#[$doc])* $variant,)+ }

        impl Category {
            /// Every category.
            pub const ALL: &'static [Category] = &[$(Category::$variant,)+];

            /// The name as it stands in stream and event names.
            pub const fn name(self) -> &'static str {
                match self { $(Category::$variant => $name,)+ }
            }

            /// The category with this name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Category::$variant),)+ _ => None }
            }
        }
    };
}

categories! {
    /// An account: `account-<account id>`.
    Account = "account";
    /// A conversation: `conversation-<conversation id>`.
    Conversation = "conversation";
    /// What one member has acknowledged in one conversation: `conversation_member-<id derived from the two>`.
    ConversationMember = "conversation_member";
    /// The identity key, recovery key and devices of one account: `device-<account id>`.
    Device = "device";
    /// What is decided about one projection, one reaction or the signing key: `operations-<id derived from its name>`.
    Operations = "operations";
    /// An organization: `organization-<organization id>`.
    Organization = "organization";
    /// A login session: `session-<session id>`.
    Session = "session";
    /// A workspace: `workspace-<workspace id>`.
    Workspace = "workspace";
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

codes! {
    /// What kind of party gave a command.
    pub enum ActorKind {
        /// Nobody who has logged in: registration, login, password reset.
        Anonymous = 0, "anonymous";
        /// An account.
        Account = 1, "account";
        /// A reaction of the platform itself.
        System = 2, "system";
        /// An operator at the command line.
        Operator = 3, "operator";
    }
}

/// Who gave a command. The id is zero for parties without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Actor {
    /// Kind of party.
    pub kind: ActorKind,
    /// Its id.
    pub id: [u8; 16],
}

impl Actor {
    /// Nobody in particular.
    pub const ANONYMOUS: Actor = Actor { kind: ActorKind::Anonymous, id: [0; 16] };
    /// The platform.
    pub const SYSTEM: Actor = Actor { kind: ActorKind::System, id: [0; 16] };
    /// An operator.
    pub const OPERATOR: Actor = Actor { kind: ActorKind::Operator, id: [0; 16] };

    /// An account.
    pub const fn account(id: AccountId) -> Self {
        Actor { kind: ActorKind::Account, id: *id.as_bytes() }
    }

    /// The account, if the actor is one.
    pub const fn as_account(&self) -> Option<AccountId> {
        match self.kind {
            ActorKind::Account => Some(AccountId::from_bytes(self.id)),
            ActorKind::Anonymous | ActorKind::System | ActorKind::Operator => None,
        }
    }
}

/// What comes in with a command beside the command itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// When it was given.
    pub now: Timestamp,
    /// Who gave it.
    pub actor: Actor,
    /// From which of the actor's devices, where one is known.
    pub device: Option<DeviceId>,
    /// What organization and workspace say of the actor, for a command to a conversation.
    pub standing: Standing,
}

impl Context {
    /// A command of `actor` at `now`, from no device, to something that asks for no standing.
    pub const fn new(now: Timestamp, actor: Actor) -> Self {
        Self { now, actor, device: None, standing: Standing::NONE }
    }

    /// The account that gives the command.
    ///
    /// # Errors
    /// [`Rejection::AccountRequired`] when no account does.
    pub fn account(&self) -> Result<AccountId, Rejection> {
        self.actor.as_account().ok_or(Rejection::AccountRequired)
    }

    /// The device that gives the command.
    ///
    /// # Errors
    /// [`Rejection::DeviceRequired`] when the session is bound to none.
    pub fn device(&self) -> Result<DeviceId, Rejection> {
        self.device.ok_or(Rejection::DeviceRequired)
    }
}

/// Whose key seals a record: destroying that one key erases everything about the subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubjectId([u8; 16]);

impl SubjectId {
    /// Wraps the bytes of an id.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes of the id.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl From<AccountId> for SubjectId {
    fn from(id: AccountId) -> Self {
        Self(*id.as_bytes())
    }
}

impl From<OrganizationId> for SubjectId {
    fn from(id: OrganizationId) -> Self {
        Self(*id.as_bytes())
    }
}

impl From<ConversationId> for SubjectId {
    fn from(id: ConversationId) -> Self {
        Self(*id.as_bytes())
    }
}

/// A conversation's retention period: its key is destroyed when the period has run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period {
    /// The conversation.
    pub conversation: ConversationId,
    /// Number of the period: days since the Unix epoch divided by [`crate::limits::RETENTION_PERIOD_DAYS`].
    pub number: u32,
}

impl Period {
    /// The period that `at` falls in.
    pub fn at(conversation: ConversationId, at: Timestamp) -> Self {
        let days = at.as_micros().max(0) / 86_400_000_000;
        let number = days / crate::limits::RETENTION_PERIOD_DAYS;
        Self { conversation, number: u32::try_from(number).unwrap_or(u32::MAX) }
    }
}

/// A personal record in clear on its way to being sealed, and whose keys seal it.
#[derive(Clone, Debug, PartialEq)]
pub struct Plain {
    /// The record.
    pub record: PersonalRecord,
    /// Whom it is about.
    pub subject: SubjectId,
    /// The retention period it belongs to, for what conversations hold.
    pub period: Option<Period>,
}

/// An event decided but not yet recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft<E> {
    /// The open part.
    pub event: E,
    /// What will be its sealed part.
    pub plain: Option<Plain>,
}

impl<E> Draft<E> {
    /// An event without sealed part.
    pub fn open<P>(payload: P) -> Self
    where
        P: Payload<Sealed = crate::NoRecord> + Into<E>,
    {
        Self { event: payload.into(), plain: None }
    }

    /// An event whose record is sealed for `subject`.
    pub fn sealed<P>(payload: P, record: P::Sealed, subject: impl Into<SubjectId>) -> Self
    where
        P: Payload + Into<E>,
        P::Sealed: Into<PersonalRecord>,
    {
        let plain = Plain { record: record.into(), subject: subject.into(), period: None };
        Self { event: payload.into(), plain: Some(plain) }
    }

    /// The same within a conversation's retention period.
    pub fn sealed_for<P>(payload: P, record: P::Sealed, subject: impl Into<SubjectId>, period: Period) -> Self
    where
        P: Payload + Into<E>,
        P::Sealed: Into<PersonalRecord>,
    {
        let plain = Plain { record: record.into(), subject: subject.into(), period: Some(period) };
        Self { event: payload.into(), plain: Some(plain) }
    }
}

/// A consistency boundary: one stream, whose events alone make its state.
pub trait Aggregate: Default + Clone + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Kind of stream.
    const CATEGORY: Category;
    /// Version of the state's snapshot form: raised whenever the state's fields change, or what events make of them, which a test
    /// notices (`eventstore-schema/states`). Older snapshots are discarded.
    const STATE_VERSION: u16;
    /// Its id type, 16 bytes.
    type Id: Copy + fmt::Debug + Into<uuid::Uuid> + Send + Sync;
    /// Its events.
    type Event: EventGroup + Into<crate::Event> + TryFrom<crate::Event>;
    /// Its commands, one variant each.
    type Command: Clone + Send + Sync + 'static;

    /// Decides what happens; changes nothing. An empty list means that there is nothing to do.
    ///
    /// # Errors
    /// The rule that the command would break.
    fn decide(
        &self,
        command: &Self::Command,
        context: &Context,
    ) -> Result<Vec<Draft<Self::Event>>, Rejection>;

    /// The aggregate whose stream the event belongs in.
    fn id_of(event: &Self::Event) -> Self::Id;

    /// Looks at a recorded event before it changes the state: whatever [`Aggregate::decide`] makes passes, and what breaks a
    /// rule that the stream alone can prove does not. So a history can be verified without believing who wrote it.
    ///
    /// Left out is what the stream does not hold: times and expiry, roles in other aggregates, and limits, which may be
    /// lowered under what was recorded before.
    ///
    /// # Errors
    /// The first rule that the event breaks.
    fn check(&self, event: &Self::Event) -> Result<(), Violation>;

    /// Changes the state by what happened at `at`. Never fails: what is recorded is true.
    fn evolve(&mut self, event: &Self::Event, at: Timestamp);

    /// The tenant that the stream belongs to; `None` for the platform. Known from the first event on.
    fn organization(&self) -> Option<OrganizationId>;
}
