//! Why a request did not get what it asked for.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// An `application/problem+json` answer (RFC 9457).
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Problem {
    /// HTTP status.
    pub status: u16,
    /// Stable code.
    pub code: String,
    /// For people.
    #[serde(default)]
    pub detail: String,
    /// Names the request in the server's log.
    #[serde(default)]
    pub request_id: String,
    /// Further members.
    #[serde(flatten)]
    pub members: Map<String, Value>,
}

impl Problem {
    /// A further member, if it is there and of that type.
    pub fn member<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_value(self.members.get(name)?.clone()).ok()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.detail, self.code)
    }
}

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The server's address is no http or https address.
    #[error("the server's address has to begin with http:// or https://")]
    Address,
    /// Transport security cannot be set up.
    #[error("the HTTP client cannot be set up")]
    Setup(#[source] reqwest::Error),
    /// The server cannot be reached, also after trying again.
    #[error("the server cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    /// The server refused.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// The server answered something that this client cannot read.
    #[error("the server's answer with status {status} cannot be read: {reason}")]
    Unreadable {
        /// HTTP status.
        status: u16,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// There is no session, or it has ended.
    #[error("log in again")]
    LoggedOut,
    /// The new session token could not be kept.
    #[error("the session cannot be kept")]
    Keep(#[source] crate::keystore::KeyStoreError),
}

impl ApiError {
    /// The problem, when the server refused.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            ApiError::Refused(problem) => Some(problem),
            ApiError::Address
            | ApiError::Setup(_)
            | ApiError::Unreachable(_)
            | ApiError::Unreadable { .. }
            | ApiError::LoggedOut
            | ApiError::Keep(_) => None,
        }
    }

    /// Whether the server refused with this code.
    pub fn is(&self, code: &str) -> bool {
        self.problem().is_some_and(|problem| problem.code == code)
    }
}

/// What to do after a refusal that may pass by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    /// Nothing: it will not pass.
    Never,
    /// The same request again, not before this long.
    After(Duration),
}

/// Judges an answer by its status, code and `Retry-After` (seconds).
pub(crate) fn retry(status: u16, code: &str, retry_after: Option<u64>) -> Retry {
    let passes = matches!(status, 429 | 502 | 503 | 504) || code == "in_progress" || code == "contention";
    if passes { Retry::After(Duration::from_secs(retry_after.unwrap_or_default())) } else { Retry::Never }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_keeps_its_further_members() {
        let text = r#"{"type":"urn:envoi:problem:stale_generation","title":"Conflict","status":409,
            "code":"stale_generation","detail":"d","request_id":"r","current":3,"commit_required":true}"#;
        let problem: Problem = serde_json::from_str(text).unwrap();
        assert_eq!(problem.member::<u32>("current"), Some(3));
        assert_eq!(problem.member::<bool>("commit_required"), Some(true));
        assert_eq!(problem.member::<u32>("detail"), None);
        assert_eq!(problem.to_string(), "d (stale_generation)");
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        assert_eq!(retry(503, "overloaded", Some(2)), Retry::After(Duration::from_secs(2)));
        assert_eq!(retry(429, "rate_limited", None), Retry::After(Duration::ZERO));
        assert_eq!(retry(409, "in_progress", None), Retry::After(Duration::ZERO));
        assert_eq!(retry(409, "stale_generation", None), Retry::Never);
        assert_eq!(retry(500, "internal", None), Retry::Never);
        assert_eq!(retry(401, "unauthenticated", None), Retry::Never);
    }
}
