//! Headers with a meaning: idempotency keys, expected revisions, positions to read from.

use commands::network::Network;
use commands::request::{CommandIdentity, Content, Request, command_id};
use domain::{Actor, CommandId, MessageId};
use eventstore_schema::Revision;
use projections::Reader;

use uuid::Uuid;

use super::Call;
use crate::endpoint::{About, Intent, IntentKind, Verb};
use crate::etag;
use crate::limits::{IDEMPOTENCY_KEY_BYTES_MAX, REQUEST_ID_BYTES_MAX};
use crate::problem::{Code, Problem};
use crate::state::State;

/// A change: under which id, and against which revision.
#[derive(Clone, Copy, Debug)]
pub struct Command {
    /// What the write side needs to know of it.
    pub request: Request,
    /// The idempotency key, where it is a UUID: messages are named by it.
    pub key: Option<Uuid>,
}

impl Intent for Command {
    const KIND: IntentKind = IntentKind::Command;

    async fn read(state: &State, about: &About, call: &Call<'_>) -> Result<Self, Problem> {
        let request =
            request(state, about, call)?.with_expected_revision(call.if_match.map(revision).transpose()?);
        Ok(Self { request, key: call.idempotency_key.and_then(|key| Uuid::try_parse(key).ok()) })
    }
}

/// A change that somebody asks for whom nobody knows. What is there must not show in the answer: `If-Match` is not looked at,
/// and `Idempotency-Key` only names the change, together with what it is about.
#[derive(Clone, Copy, Debug)]
pub struct AnonymousCommand {
    /// What the write side needs to know of it.
    pub request: Request,
}

impl Intent for AnonymousCommand {
    const KIND: IntentKind = IntentKind::AnonymousCommand;

    async fn read(state: &State, about: &About, call: &Call<'_>) -> Result<Self, Problem> {
        Ok(Self { request: request(state, about, call)? })
    }
}

/// What every change has: who asks, from where, and under which id.
fn request(state: &State, about: &About, call: &Call<'_>) -> Result<Request, Problem> {
    let actor = call.identity.as_ref().map_or(Actor::ANONYMOUS, |one| Actor::account(one.account_id));
    let id = match call.idempotency_key {
        Some(key) => command_id(actor, checked_key(key)?),
        // What names its object by path and replaces or removes it may be repeated anyway.
        None if about.verb != Verb::Post => state.clock.new_id::<CommandId>(),
        None => {
            let problem = Problem::from(Code::InvalidHeader);
            return Err(problem.detail("Idempotency-Key is missing: send one that is new for each command"));
        }
    };
    let parts: [&[u8]; 2] = [call.path.as_bytes(), call.body];
    let command = CommandIdentity { id, content: Content::of(about.name, &parts) };
    Ok(Request::new(state.clock.now(), actor, command, call.origin.correlation_id())
        .with_network(call.origin.address.map(Network::of))
        .with_device(call.identity.as_ref().and_then(|one| one.device_id))
        .with_session(call.identity.as_ref().map(|one| one.session_id)))
}

impl Command {
    /// The id of the message that the command sends: its idempotency key.
    ///
    /// # Errors
    /// When the key is no UUID.
    pub fn message_id(&self) -> Result<MessageId, Problem> {
        let problem = || {
            Problem::from(Code::InvalidHeader).detail("Idempotency-Key has to be the message's id, a UUID")
        };
        self.key.map(MessageId::from).ok_or_else(problem)
    }
}

/// A question.
#[derive(Clone, Debug)]
pub struct Query {
    /// Reads the read models that it shows, where they have reached the position that it asks for.
    pub reader: Reader,
}

impl Intent for Query {
    const KIND: IntentKind = IntentKind::Query;

    async fn read(state: &State, about: &About, call: &Call<'_>) -> Result<Self, Problem> {
        if let (Some(text), Some(identity)) = (call.min_position, call.identity.as_ref()) {
            let place = state.cursors.open_place(identity.account_id, text)?;
            state.reached(about.reads, place).await?;
            return Ok(Self { reader: state.read_models.showing(about.reads, place.position) });
        }
        Ok(Self { reader: state.read_models.now() })
    }
}

/// Neither a change nor a question.
#[derive(Clone, Copy, Debug)]
pub struct Exchange {}

impl Intent for Exchange {
    const KIND: IntentKind = IntentKind::Exchange;

    async fn read(_: &State, _: &About, _: &Call<'_>) -> Result<Self, Problem> {
        Ok(Self {})
    }
}

fn checked_key(key: &str) -> Result<&str, Problem> {
    let fits = (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len());
    if fits && key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(key);
    }
    let problem = Problem::from(Code::InvalidHeader);
    Err(problem.detail("Idempotency-Key has to have 1 to 128 visible ASCII characters"))
}

/// The revision that a change is based on.
fn revision(text: &str) -> Result<Revision, Problem> {
    let problem = || Problem::from(Code::InvalidHeader).detail("If-Match has to be an ETag of this server");
    etag::revision(text).ok_or_else(problem)
}

/// Whether a client's request id can be taken over: short, and nothing that could forge a line of a log.
pub fn is_request_id(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=REQUEST_ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idempotency_key_is_visible_and_short() {
        assert!(checked_key("0190f5a0-7d3c-7000-8000-000000000000").is_ok());
        for key in ["", "a b", "ü", "\t", &"x".repeat(129)] {
            assert!(checked_key(key).is_err(), "{key:?}");
        }
    }

    #[test]
    fn a_request_id_forges_nothing() {
        assert!(is_request_id("edge-1.a_B"));
        for text in ["", "a\nb", "a b", "\"", &"x".repeat(65)] {
            assert!(!is_request_id(text), "{text:?}");
        }
    }
}
