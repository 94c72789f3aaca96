//! What comes in with a command, and the ids that have to be the same for every retry of it.

use domain::conversation::Standing;
use domain::{
    Actor, CommandId, Context, ConversationId, CorrelationId, DeviceId, EventId, MessageId, SessionId,
    Timestamp,
};
use eventstore_schema::{RecordedEvent, Revision};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::network::Network;

/// What is asked, as far as a repetition is recognised by it. It never leaves the process: whoever saw it could find what is
/// asked by trying. The log keeps a fingerprint of it under keys (see [`eventstore_schema::sealing`]). `Debug` shows nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Content(Option<[u8; 32]>);

impl Content {
    /// It follows from the command's id.
    pub const IMPLIED: Content = Content(None);

    /// What the verb and the parts say: everything that makes two requests under the verb differ (path, body bytes).
    pub fn of(verb: &str, parts: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("envoi 2026-11-21 command fingerprint v1");
        update(&mut hasher, verb.as_bytes());
        for part in parts {
            update(&mut hasher, part);
        }
        Self(Some(*hasher.finalize().as_bytes()))
    }

    /// Its hash, unless it is implied.
    pub(crate) fn hash(&self) -> Option<&[u8; 32]> {
        self.0.as_ref()
    }
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Content(..)")
    }
}

/// A command's id, with what tells a repetition of it from something else under the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandIdentity {
    /// The same for every retry of one command.
    pub id: CommandId,
    /// What is asked.
    pub content: Content,
}

/// Who asks, when, under which ids, and what they believe of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Time, actor and device.
    pub context: Context,
    /// The command's id and its content.
    pub command: CommandIdentity,
    /// Ties together everything that one request sets off.
    pub correlation_id: CorrelationId,
    /// The event that a reaction answers.
    pub causation_id: Option<EventId>,
    /// The stream's revision that the caller read before (`If-Match`).
    pub expected_revision: Option<Revision>,
    /// The network that it comes from, where one is known.
    pub network: Option<Network>,
    /// The session that it comes from, as long as nobody has found that to stand.
    pub session: Option<SessionId>,
}

impl Request {
    /// A command of `actor` at `now`.
    pub fn new(
        now: Timestamp,
        actor: Actor,
        command: CommandIdentity,
        correlation_id: CorrelationId,
    ) -> Self {
        let context = Context::new(now, actor);
        Self {
            context,
            command,
            correlation_id,
            causation_id: None,
            expected_revision: None,
            network: None,
            session: None,
        }
    }

    /// The same from a device.
    pub fn with_device(mut self, device: Option<DeviceId>) -> Self {
        self.context.device = device;
        self
    }

    /// The same with what organization and workspace say of the actor.
    pub fn with_standing(mut self, standing: Standing) -> Self {
        self.context.standing = standing;
        self
    }

    /// The same from a network.
    pub fn with_network(mut self, network: Option<Network>) -> Self {
        self.network = network;
        self
    }

    /// The same from a session, which is looked at before anything is done.
    pub fn with_session(mut self, session: Option<SessionId>) -> Self {
        self.session = session;
        self
    }

    /// The same once its session was found to stand ([`crate::executor::Executor::admit`]).
    pub fn admitted(mut self) -> Self {
        self.session = None;
        self
    }

    /// The same with the revision that the caller read before.
    pub fn with_expected_revision(mut self, revision: Option<Revision>) -> Self {
        self.expected_revision = revision;
        self
    }

    /// A further command of the same use case, whose first one was admitted: its id follows from this one's, so a retry of the
    /// whole repeats each step.
    pub fn step(&self, step: &str) -> Self {
        let id = CommandId::from_bytes(derive("step", &[self.command.id.as_bytes(), step.as_bytes()]));
        let command = CommandIdentity { id, content: self.command.content };
        Self { command, expected_revision: None, session: None, ..*self }
    }

    /// The command that sends a message: named by conversation and message, so that nobody else's can have its id, and with a
    /// content that is the sender's, so that only they are answered as the first time.
    pub fn naming(&self, conversation_id: ConversationId, message_id: MessageId) -> Self {
        let (actor, asked) = (self.context.actor, self.command.content);
        let id =
            CommandId::from_bytes(derive("message", &[conversation_id.as_bytes(), message_id.as_bytes()]));
        let content = asked.hash().map_or(Content::IMPLIED, |asked| {
            Content::of("message", &[&[actor.kind.code()], &actor.id, asked])
        });
        Self { command: CommandIdentity { id, content }, ..*self }
    }

    /// The same for a step that the system takes: what it does follows from its id.
    pub fn step_of_system(&self, step: &str) -> Self {
        let mut request = self.step(step);
        request.context.actor = Actor::SYSTEM;
        request.command.content = Content::IMPLIED;
        request
    }

    /// The command that reaction `name` gives to `target` because of `event`; the same whenever it reads the event.
    pub fn reaction(name: &str, event: &RecordedEvent, target: &[u8], now: Timestamp) -> Self {
        let parts: [&[u8]; 3] = [name.as_bytes(), event.event_id.as_bytes(), target];
        let id = CommandId::from_bytes(derive("reaction", &parts));
        Self {
            context: Context::new(now, Actor::SYSTEM),
            command: CommandIdentity { id, content: Content::IMPLIED },
            correlation_id: event.origin.correlation_id,
            causation_id: Some(event.event_id),
            expected_revision: None,
            network: None,
            session: None,
        }
    }

    /// The bytes that name a command of somebody whom nobody knows, about `subject` (the blind index of an address, or the hash of
    /// a token): the idempotency key, the subject and the content. So the equal keys of two people name two commands, a key
    /// that comes again with other content names another command, and no key ever changes an answer.
    ///
    /// The content may be a password: only what a key makes of these bytes may be stored (`Credentials::about`).
    pub(crate) fn anonymous_name(&self, subject: &[u8; 32]) -> Zeroizing<Vec<u8>> {
        let asked: &[u8] = self.command.content.hash().map_or(&[], |hash| hash.as_slice());
        Zeroizing::new([self.command.id.as_bytes().as_slice(), subject, asked].concat())
    }

    /// The same under the id that a key made of [`Request::anonymous_name`].
    pub(crate) fn anonymous(&self, name: &[u8; 32]) -> Self {
        let id = derived_id("anonymous", &[name]);
        Self { command: CommandIdentity { id, ..self.command }, expected_revision: None, ..*self }
    }

    /// The id of what this command creates; the same for every retry, so that a retried create meets the same stream.
    pub fn created_id<T: From<Uuid>>(&self, kind: &str) -> T {
        T::from(Uuid::from_bytes(derive("created", &[self.command.id.as_bytes(), kind.as_bytes()])))
    }
}

/// The id of the command that `actor` gives under an idempotency key.
///
/// Anonymous actors share one id space: see [`Request::anonymous_name`].
pub fn command_id(actor: Actor, idempotency_key: &str) -> CommandId {
    CommandId::from_bytes(derive("command", &[&[actor.kind.code()], &actor.id, idempotency_key.as_bytes()]))
}

/// A UUIDv8 (RFC 9562) from the hash of `parts`, apart from every other `purpose`.
pub fn derived_id<T: From<Uuid>>(purpose: &str, parts: &[&[u8]]) -> T {
    T::from(Uuid::from_bytes(derive(purpose, parts)))
}

fn derive(purpose: &str, parts: &[&[u8]]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new_derive_key("envoi 2026-11-21 derived id v1");
    update(&mut hasher, purpose.as_bytes());
    for part in parts {
        update(&mut hasher, part);
    }
    let mut bytes = [0; 16];
    hasher.finalize_xof().fill(&mut bytes);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().into_bytes()
}

/// Length first, so that no two lists of parts hash alike.
fn update(hasher: &mut blake3::Hasher, part: &[u8]) {
    let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
    hasher.update(&length.to_be_bytes());
    hasher.update(part);
}

#[cfg(test)]
mod tests {
    use domain::AccountId;

    use super::*;

    fn alice() -> Actor {
        Actor::account(AccountId::from_bytes([1; 16]))
    }

    fn request(key: &str) -> Request {
        let command =
            CommandIdentity { id: command_id(alice(), key), content: Content::of("verb", &[b"body"]) };
        Request::new(Timestamp::from_micros(1), alice(), command, CorrelationId::from_bytes([9; 16]))
    }

    #[test]
    fn a_retry_has_the_same_id_and_nobody_else_has() {
        assert_eq!(command_id(alice(), "k"), command_id(alice(), "k"));
        assert_ne!(command_id(alice(), "k"), command_id(alice(), "l"));
        assert_ne!(command_id(alice(), "k"), command_id(Actor::account(AccountId::from_bytes([2; 16])), "k"));
        assert_eq!(command_id(alice(), "k").as_uuid().get_version_num(), 8);
    }

    #[test]
    fn a_message_is_named_by_its_conversation_and_asked_for_by_its_sender() {
        let (here, there) = (ConversationId::from_bytes([3; 16]), ConversationId::from_bytes([4; 16]));
        let message = MessageId::from_bytes([5; 16]);
        let bobs = Actor::account(AccountId::from_bytes([2; 16]));
        let by_bob = Request { context: Context { actor: bobs, ..request("k").context }, ..request("k") };
        let (first, again) = (request("k").naming(here, message), request("other key").naming(here, message));
        assert_eq!(first.command, again.command);
        assert_eq!(by_bob.naming(here, message).command.id, first.command.id);
        assert_ne!(by_bob.naming(here, message).command.content, first.command.content);
        assert_ne!(request("k").naming(there, message).command.id, first.command.id);
    }

    #[test]
    fn moving_bytes_between_parts_changes_the_content() {
        assert_ne!(Content::of("v", &[b"ab", b"c"]), Content::of("v", &[b"a", b"bc"]));
        assert_ne!(Content::of("v", &[b"a"]), Content::of("v", &[b"a", b""]));
    }

    #[test]
    fn content_is_not_shown() {
        assert_eq!(format!("{:?}", Content::of("v", &[b"a"])), "Content(..)");
    }

    #[test]
    fn what_the_system_does_on_the_way_says_nothing_of_what_was_asked() {
        let step = request("k").step_of_system("lock");
        assert_eq!((step.context.actor, step.command.content), (Actor::SYSTEM, Content::IMPLIED));
        assert_eq!(step.command.id, request("k").step("lock").command.id);
    }

    #[test]
    fn an_anonymous_command_is_named_by_key_subject_and_content() {
        let one = request("k");
        assert_eq!(one.anonymous_name(&[1; 32]), request("k").anonymous_name(&[1; 32]));
        let mut other_content = request("k");
        other_content.command.content = Content::of("verb", &[b"other"]);
        for (other, subject) in [(request("k"), 2), (request("l"), 1), (other_content, 1)] {
            assert_ne!(one.anonymous_name(&[1; 32]), other.anonymous_name(&[subject; 32]));
        }
        let (named, other) = (one.anonymous(&[1; 32]), one.anonymous(&[2; 32]));
        assert_ne!(named.command.id, other.command.id);
        assert_ne!(named.created_id::<AccountId>("account"), other.created_id("account"));
        let expecting = request("k").with_expected_revision(Some(Revision::new(3)));
        assert_eq!(expecting.anonymous(&[1; 32]).expected_revision, None);
    }

    #[test]
    fn steps_and_created_ids_follow_from_the_command() {
        assert_eq!(request("k").step("bind").command.id, request("k").step("bind").command.id);
        assert_ne!(request("k").step("bind").command.id, request("k").step("other").command.id);
        let first: AccountId = request("k").created_id("account");
        let again: AccountId = request("k").created_id("account");
        assert_eq!(first, again);
    }
}
