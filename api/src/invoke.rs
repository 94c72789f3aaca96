//! Commands that do not come as requests of their own: entries of a batch and frames of the live socket. They go through
//! the same endpoints.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::budget::until;
use crate::cursor::Place;
use crate::endpoint::{IntentKind, Outcome};
use crate::extract::{Call, Identity, Origin, push_parameter};
use crate::problem::{Code, Problem};
use crate::rates::Subject;
use crate::routes;
use crate::state::State;

/// One command.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Invocation {
    /// Name of the route: its `operationId`.
    command: String,
    /// Path parameters.
    #[serde(default)]
    path: BTreeMap<String, Parameter>,
    /// As the header `Idempotency-Key`.
    #[serde(default)]
    #[schemars(length(min = 1, max = crate::limits::IDEMPOTENCY_KEY_BYTES_MAX), regex(pattern = "^[!-~]+$"))]
    idempotency_key: Option<String>,
    /// As the header `If-Match`.
    #[serde(default)]
    #[schemars(regex(pattern = "^\"[0-9]{1,20}\"$"))]
    if_match: Option<String>,
    /// The body, as the route takes it.
    #[serde(default)]
    #[schemars(with = "Option<serde_json::Value>")]
    body: Option<Box<RawValue>>,
}

/// A path parameter.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum Parameter {
    /// Of a message, a slot.
    Number(u64),
    /// An id.
    Text(String),
}

/// What became of one command, with what would be headers.
#[derive(Serialize, JsonSchema)]
pub struct Answered {
    /// HTTP status.
    status: u16,
    /// The answer or the problem; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Value>")]
    body: Option<Box<RawValue>>,
    /// As the header `ETag`.
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    /// As the header `Envoi-Position`.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<String>,
    /// As the header `Idempotency-Replayed`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    replayed: bool,
}

impl Invocation {
    /// A command on a conversation.
    pub fn on_conversation(command: &str, id: String, key: String, body: Box<RawValue>) -> Self {
        Self {
            command: command.to_owned(),
            path: BTreeMap::from([("conversation_id".to_owned(), Parameter::Text(id))]),
            idempotency_key: Some(key),
            if_match: None,
            body: Some(body),
        }
    }
}

/// Executes one command for somebody who is logged in, and answers a refusal as it would be answered over HTTP.
pub async fn invoke(
    state: &State,
    identity: Identity,
    origin: &Origin,
    invocation: &Invocation,
    deadline: Instant,
) -> Answered {
    attempt(state, identity, origin, invocation, deadline).await.unwrap_or_else(|problem| {
        problem.log(&origin.request_id);
        let body = serde_json::value::to_raw_value(&problem.to_json(&origin.request_id)).ok();
        let status = problem.status().as_u16();
        Answered { status, body, etag: None, position: None, replayed: false }
    })
}

/// Executes one command for somebody who is logged in. Each counts against their rate.
///
/// # Errors
/// What would be answered over HTTP; behind the deadline, that it cannot be done now.
pub async fn attempt(
    state: &State,
    identity: Identity,
    origin: &Origin,
    invocation: &Invocation,
    deadline: Instant,
) -> Result<Answered, Problem> {
    let counted = state.count(Subject::Account(identity.account_id));
    counted.admit()?;
    let outcome = until(deadline, outcome(state, identity, origin, invocation, deadline)).await;
    counted.concluded(outcome.and_then(|outcome| answered(state, identity, outcome)))
}

async fn outcome(
    state: &State,
    identity: Identity,
    origin: &Origin,
    invocation: &Invocation,
    deadline: Instant,
) -> Result<Outcome, Problem> {
    let route = routes::find(&invocation.command)
        .filter(|route| route.intent == IntentKind::Command)
        .ok_or_else(|| Problem::field("command", "there is no such command"))?;
    let body = invocation.body.as_ref().map_or("{}", |body| body.get()).as_bytes();
    if body.len() > route.about.body_bytes_max {
        return Err(Code::BodyTooLarge.into());
    }
    let mut path = String::with_capacity(64);
    for (name, value) in &invocation.path {
        match value {
            Parameter::Number(number) => push_parameter(&mut path, name, &number.to_string())?,
            Parameter::Text(text) => push_parameter(&mut path, name, text)?,
        }
    }
    let call = Call {
        identity: Some(identity),
        origin,
        path: &path,
        query: "",
        body,
        idempotency_key: invocation.idempotency_key.as_deref(),
        if_match: invocation.if_match.as_deref(),
        min_position: None,
        deadline,
    };
    (route.answer)(state, call).await
}

fn answered(state: &State, identity: Identity, outcome: Outcome) -> Result<Answered, Problem> {
    let body = match String::from_utf8(outcome.body) {
        Ok(text) if text.is_empty() => None,
        Ok(text) => Some(RawValue::from_string(text).map_err(Problem::internal)?),
        Err(error) => return Err(Problem::internal(error)),
    };
    let position = match outcome.effect {
        Some(effect) => {
            let place = Place { incarnation: state.incarnation, position: effect.position };
            Some(state.cursors.seal_place(identity.account_id, place)?)
        }
        None => None,
    };
    Ok(Answered {
        status: outcome.status,
        body,
        etag: outcome.revision.map(|revision| format!("\"{revision}\"")),
        position,
        replayed: outcome.effect.is_some_and(|effect| effect.replayed),
    })
}
