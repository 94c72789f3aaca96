//! Extractors as levels of trust: bytes become typed values, callers become identities, headers become intents.

mod headers;
mod identity;
mod ids;
mod json;
mod page;

use std::net::IpAddr;

use domain::CorrelationId;
use serde::de::DeserializeOwned;

pub use headers::{AnonymousCommand, Command, Exchange, Query, is_request_id};
pub use identity::{Anonymous, Authenticated, DeviceBound, Identity};
pub use ids::ids;
pub use json::json;
pub use page::{Page, PageAnswer};

use crate::problem::{Code, Problem};

/// Where a request comes from.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// Address, as the connection or trusted proxies tell it; an IPv4 address never as an IPv6 one.
    pub address: Option<IpAddr>,
    /// User agent, cut.
    pub user_agent: Option<String>,
    /// Names the request in logs and answers.
    pub request_id: String,
    /// The trace that the client says it belongs to.
    pub trace_id: Option<String>,
}

impl Origin {
    /// Ties together everything that the request sets off.
    pub fn correlation_id(&self) -> CorrelationId {
        match uuid::Uuid::try_parse(&self.request_id) {
            Ok(id) => id.into(),
            Err(_) => commands::request::derived_id("request", &[self.request_id.as_bytes()]),
        }
    }
}

/// A request with its caller known and nothing else looked at yet.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// Who asks, if they are logged in.
    pub identity: Option<Identity>,
    /// Where from.
    pub origin: &'a Origin,
    /// Path parameters, `name=value&name=value`.
    pub path: &'a str,
    /// Query string.
    pub query: &'a str,
    /// Body.
    pub body: &'a [u8],
    /// `Idempotency-Key`.
    pub idempotency_key: Option<&'a str>,
    /// `If-Match`.
    pub if_match: Option<&'a str>,
    /// `Envoi-Min-Position`.
    pub min_position: Option<&'a str>,
    /// When the caller gets an answer, whichever.
    pub deadline: tokio::time::Instant,
}

/// Reads path parameters. One that cannot be the id of anything is answered like one that is the id of nothing.
pub fn path<T: DeserializeOwned>(parameters: &str) -> Result<T, Problem> {
    serde_urlencoded::from_str(parameters).map_err(|_| Code::NotFound.into())
}

/// Reads a query string; unknown parameters are refused, and so is the character NUL, which nothing is named with.
pub fn query<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    if text.contains("%00") {
        return Err(Problem::from(Code::InvalidQuery).detail("a parameter holds the character U+0000"));
    }
    serde_urlencoded::from_str(text)
        .map_err(|error| Problem::from(Code::InvalidQuery).detail(error.to_string()))
}

/// Appends a path parameter. Ids and numbers only: whatever else stands there names nothing.
///
/// # Errors
/// [`Code::NotFound`] for anything else.
pub fn push_parameter(text: &mut String, name: &str, value: &str) -> Result<(), Problem> {
    let is_plain = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if !is_plain(name) || !is_plain(value) {
        return Err(Code::NotFound.into());
    }
    for part in [if text.is_empty() { "" } else { "&" }, name, "=", value] {
        text.push_str(part);
    }
    Ok(())
}
