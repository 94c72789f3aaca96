//! What an endpoint is: one type a file, from which router, documentation and authorisation matrix derive.
//!
//! An endpoint knows nothing of HTTP: the same handler answers a request, an entry of a batch and a frame of the live
//! socket. What a caller has proved and what a request must carry are types ([`Trust`], [`Intent`]), so a handler cannot
//! forget to check them.

use std::any::TypeId;
use std::future::Future;
use std::pin::Pin;

use eventstore_schema::{Position, Revision};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::extract::{self, Call, Identity};
use crate::openapi::Document;
use crate::problem::Problem;
use crate::state::State;

/// A method of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Reads.
    Get,
    /// Creates, or does what the path names.
    Post,
    /// Replaces.
    Put,
    /// Takes away.
    Delete,
}

impl Verb {
    /// As HTTP writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Verb::Get => "GET",
            Verb::Post => "POST",
            Verb::Put => "PUT",
            Verb::Delete => "DELETE",
        }
    }
}

/// Who gets through to a route: the authorisation matrix is made of these. Finer rules are the domain's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Nobody has logged in.
    Anonymous,
    /// Logged in, of no organization that the route is about.
    Stranger,
    /// Owner of the organization.
    Owner,
    /// Admin of the organization.
    Admin,
    /// Compliance officer of the organization.
    ComplianceOfficer,
    /// Auditor of the organization.
    Auditor,
    /// Member of the organization, not of the workspace or conversation.
    Member,
    /// Guest of the organization, not of the workspace or conversation.
    Guest,
    /// Member of the workspace or conversation.
    Participant,
    /// Admin of the workspace or conversation.
    Moderator,
}

impl Role {
    /// Every role.
    pub const ALL: &'static [Role] = &[
        Role::Anonymous,
        Role::Stranger,
        Role::Owner,
        Role::Admin,
        Role::ComplianceOfficer,
        Role::Auditor,
        Role::Member,
        Role::Guest,
        Role::Participant,
        Role::Moderator,
    ];

    /// As the documentation writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Anonymous => "anonymous",
            Role::Stranger => "stranger",
            Role::Owner => "owner",
            Role::Admin => "admin",
            Role::ComplianceOfficer => "compliance_officer",
            Role::Auditor => "auditor",
            Role::Member => "member",
            Role::Guest => "guest",
            Role::Participant => "participant",
            Role::Moderator => "moderator",
        }
    }
}

/// Rows of the matrix that many routes share.
pub mod who {
    use super::Role;
    use super::Role::{
        Admin, Auditor, ComplianceOfficer, Guest, Member, Moderator, Owner, Participant, Stranger,
    };

    /// Everybody, logged in or not.
    pub const ANYBODY: &[Role] = Role::ALL;
    /// Whoever is logged in.
    pub const ACCOUNTS: &[Role] =
        &[Stranger, Owner, Admin, ComplianceOfficer, Auditor, Member, Guest, Participant, Moderator];
    /// Every member of the organization.
    pub const ORGANIZATION: &[Role] =
        &[Owner, Admin, ComplianceOfficer, Auditor, Member, Guest, Participant, Moderator];
    /// Every member of the organization but guests.
    pub const ALL_BUT_GUESTS: &[Role] =
        &[Owner, Admin, ComplianceOfficer, Auditor, Member, Participant, Moderator];
    /// Who manages the organization.
    pub const MANAGERS: &[Role] = &[Owner, Admin];
    /// Who reads the audit log.
    pub const AUDITORS: &[Role] = &[Owner, ComplianceOfficer, Auditor];
    /// Members of the workspace or conversation.
    pub const PARTICIPANTS: &[Role] = &[Participant, Moderator];
    /// Admins of the workspace or conversation.
    pub const MODERATORS: &[Role] = &[Moderator];
    /// Who may create workspaces.
    pub const WORKERS: &[Role] = &[Owner, Admin, Member, Participant, Moderator];
    /// Whoever shares an organization with the account that the route is about.
    pub const RELATED: &[Role] = ORGANIZATION;
    /// Who manages the organization, and members of the workspace.
    pub const MANAGERS_AND_PARTICIPANTS: &[Role] = &[Owner, Admin, Participant, Moderator];
    /// Who manages the organization, or the workspace.
    pub const MANAGERS_AND_MODERATORS: &[Role] = &[Owner, Admin, Moderator];
}

/// What a route is, for the router, the documentation and the matrix.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// Name for ever: `<context>.<verb_noun>`; the operation id, and how batches and the live socket call it.
    pub name: &'static str,
    /// Method.
    pub verb: Verb,
    /// Path with its parameters in braces.
    pub path: &'static str,
    /// Status of success.
    pub status: u16,
    /// What it does: a first line, then, after an empty one, what callers have to know.
    pub text: &'static str,
    /// Codes of problems that are its own, beside those that every route of its kind has.
    pub errors: &'static [&'static str],
    /// Largest body in bytes.
    pub body_bytes_max: usize,
    /// Who gets through.
    pub who: &'static [Role],
    /// Names of the read models that it shows.
    pub reads: &'static [&'static str],
    /// Whether the idempotency key is the id of what is made, a UUID.
    pub key_is_id: bool,
}

impl About {
    const fn new(
        verb: Verb,
        status: u16,
        name: &'static str,
        path: &'static str,
        text: &'static str,
    ) -> Self {
        let body_bytes_max = crate::limits::BODY_BYTES_MAX;
        let key_is_id = false;
        Self { name, verb, path, status, text, errors: &[], body_bytes_max, who: &[], reads: &[], key_is_id }
    }

    /// A route that reads.
    pub const fn get(name: &'static str, path: &'static str, text: &'static str) -> Self {
        Self::new(Verb::Get, 200, name, path, text)
    }

    /// A route that creates, or does what its path names.
    pub const fn post(name: &'static str, path: &'static str, text: &'static str) -> Self {
        Self::new(Verb::Post, 201, name, path, text)
    }

    /// A route that replaces.
    pub const fn put(name: &'static str, path: &'static str, text: &'static str) -> Self {
        Self::new(Verb::Put, 204, name, path, text)
    }

    /// A route that takes away.
    pub const fn delete(name: &'static str, path: &'static str, text: &'static str) -> Self {
        Self::new(Verb::Delete, 204, name, path, text)
    }

    /// The same with who gets through: without it, no route passes the tests.
    pub const fn who(self, who: &'static [Role]) -> Self {
        Self { who, ..self }
    }

    /// The same with another status of success.
    pub const fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// The same with codes of its own.
    pub const fn errors(self, errors: &'static [&'static str]) -> Self {
        Self { errors, ..self }
    }

    /// The same with another limit of its body.
    pub const fn body_bytes_max(self, body_bytes_max: usize) -> Self {
        Self { body_bytes_max, ..self }
    }

    /// The same with the projections that it shows.
    pub const fn reads(self, reads: &'static [&'static str]) -> Self {
        Self { reads, ..self }
    }

    /// The same with an idempotency key that is the id of what is made.
    pub const fn key_is_id(self) -> Self {
        Self { key_is_id: true, ..self }
    }

    /// The context that the route belongs to.
    pub fn context(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(context, _)| context)
    }
}

/// No path parameters, no query, no body, or no answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// What a caller has proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    Anonymous,
    /// That they are logged in.
    Account,
    /// That their session is bound to an active device.
    Device,
}

/// A caller at a level of trust; made by [`crate::extract`] only.
pub trait Trust: Sized {
    /// The level.
    const ACCESS: Access;

    /// Admits a caller, or says what is missing.
    ///
    /// # Errors
    /// When the caller has not proved enough.
    fn admit(identity: Option<Identity>) -> Result<Self, Problem>;
}

/// What a request does with the state of things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntentKind {
    /// Changes it: carries an idempotency key, may carry `If-Match`.
    Command,
    /// Changes it for somebody whom nobody knows: an idempotency key names it and changes no answer.
    AnonymousCommand,
    /// Reads it: may carry `Envoi-Min-Position`.
    Query,
    /// Neither: proves something, or tells what is always the same.
    Exchange,
}

/// The headers that come with an intent; made by [`crate::extract`] only.
pub trait Intent: Sized {
    /// Which.
    const KIND: IntentKind;

    /// Reads them.
    ///
    /// # Errors
    /// When one is missing or malformed.
    fn read(state: &State, about: &About, call: &Call<'_>) -> impl Future<Output = Result<Self, Problem>>;
}

/// A request that has been read whole.
pub struct Input<E: Endpoint> {
    /// Who asks.
    pub caller: E::Caller,
    /// What comes with the intent.
    pub intent: E::Intent,
    /// Path parameters.
    pub path: E::Path,
    /// Query string.
    pub query: E::Query,
    /// Body.
    pub body: E::Body,
    /// Where the request comes from.
    pub origin: extract::Origin,
    /// When the caller gets an answer, whichever: for handlers that would rather answer a part in time.
    pub deadline: tokio::time::Instant,
}

/// One endpoint.
pub trait Endpoint: Sized + 'static {
    /// What it is.
    const ABOUT: About;
    /// What callers have to prove.
    type Caller: Trust;
    /// What it does with the state of things.
    type Intent: Intent;
    /// Path parameters.
    type Path: DeserializeOwned + JsonSchema + 'static;
    /// Query string.
    type Query: DeserializeOwned + JsonSchema + 'static;
    /// Body.
    type Body: DeserializeOwned + JsonSchema + 'static;
    /// Answer.
    type Answer: Serialize + JsonSchema + 'static;

    /// Answers.
    fn handle(
        state: &State,
        input: Input<Self>,
    ) -> impl Future<Output = Result<Reply<Self::Answer>, Problem>>;
}

/// An answer with what stands beside it.
#[derive(Debug)]
pub struct Reply<T> {
    /// The answer.
    pub answer: T,
    /// What a command did to its stream.
    pub effect: Option<Effect>,
    /// The revision of what is shown, for a later `If-Match`.
    pub revision: Option<Revision>,
}

/// What a command did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Where it stands in the log.
    pub position: Position,
    /// Whether it took effect at an earlier request.
    pub replayed: bool,
}

impl<T> Reply<T> {
    /// An answer alone.
    pub fn new(answer: T) -> Self {
        Self { answer, effect: None, revision: None }
    }

    /// The answer to a command.
    pub fn of<E>(executed: &commands::executor::Executed<E>, answer: T) -> Self {
        let effect = Effect { position: executed.position, replayed: executed.replayed };
        Self { answer, effect: Some(effect), revision: Some(executed.revision) }
    }

    /// The same with the revision of what is shown.
    pub fn at(mut self, revision: Revision) -> Self {
        self.revision = Some(revision);
        self
    }
}

/// An answer on its way out, whichever way it came in.
#[derive(Debug)]
pub struct Outcome {
    /// HTTP status.
    pub status: u16,
    /// JSON; empty for no answer.
    pub body: Vec<u8>,
    /// `ETag`.
    pub revision: Option<Revision>,
    /// What a command did; its position is sealed for the account before it leaves.
    pub effect: Option<Effect>,
}

/// The answer of a route, awaited on the thread that it was asked on.
pub type Answering<'a> = Pin<Box<dyn Future<Output = Result<Outcome, Problem>> + 'a>>;

/// An endpoint as an entry of the registry.
#[derive(Clone, Copy)]
pub struct Route {
    /// What it is.
    pub about: About,
    /// What callers have to prove.
    pub access: Access,
    /// What it does with the state of things.
    pub intent: IntentKind,
    /// Whether it takes a body.
    pub takes_body: fn() -> bool,
    /// Answers a call.
    pub answer: for<'a> fn(&'a State, Call<'a>) -> Answering<'a>,
    /// Writes the route into the documentation.
    pub document: fn(&mut Document),
}

impl Route {
    /// The entry for `E`.
    pub const fn of<E: Endpoint>() -> Self {
        Self {
            about: E::ABOUT,
            access: <E::Caller as Trust>::ACCESS,
            intent: <E::Intent as Intent>::KIND,
            takes_body: || is_something::<E::Body>(),
            answer: |state, call| Box::pin(answer::<E>(state, call)),
            document: |document| document.add::<E>(),
        }
    }
}

/// Whether `T` is more than [`Nothing`].
pub(crate) fn is_something<T: 'static>() -> bool {
    TypeId::of::<T>() != TypeId::of::<Nothing>()
}

async fn answer<E: Endpoint>(state: &State, call: Call<'_>) -> Result<Outcome, Problem> {
    let caller = E::Caller::admit(call.identity)?;
    let path = extract::path(call.path)?;
    let query = extract::query(call.query)?;
    let body = if is_something::<E::Body>() || !call.body.is_empty() {
        extract::json(call.body)?
    } else {
        extract::json(b"{}")?
    };
    let intent = E::Intent::read(state, &E::ABOUT, &call).await?;
    let (origin, deadline) = (call.origin.clone(), call.deadline);
    let input = Input { caller, intent, path, query, body, origin, deadline };
    let reply = E::handle(state, input).await?;
    let body = if is_something::<E::Answer>() {
        serde_json::to_vec(&reply.answer).map_err(Problem::internal)?
    } else {
        Vec::new()
    };
    Ok(Outcome { status: E::ABOUT.status, body, revision: reply.revision, effect: reply.effect })
}

/// What nearly every endpoint uses.
pub mod prelude {
    pub use schemars::JsonSchema;
    pub use serde::{Deserialize, Serialize};

    pub use super::{About, Endpoint, Input, Nothing, Reply, who};
    pub use crate::extract::{
        Anonymous, AnonymousCommand, Authenticated, Command, DeviceBound, Exchange, Query,
    };
    pub use crate::problem::Problem;
    pub use crate::state::State;
}
