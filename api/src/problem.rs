//! The one place that turns errors into HTTP: `application/problem+json` (RFC 9457) with a stable `code`.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use commands::auth::AuthError;
use commands::executor::ExecuteError;
use domain::{Rejection, RejectionKind};
use eventstore_schema::{LogError, SealError};
use projections::{QueryError, WaitError};
use serde_json::{Map, Value, json};

use crate::limits;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $status:literal, $code:literal, $text:literal;)+) => {
        /// What the edge itself can answer instead of what was asked for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code { $($(#[$doc])* $variant,)+ }

        impl Code {
            /// Every code of the edge.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)+];

            /// The stable code.
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $code,)+ }
            }

            /// The HTTP status.
            pub const fn status(self) -> u16 {
                match self { $(Code::$variant => $status,)+ }
            }

            /// What happened and what to do, for people.
            pub const fn text(self) -> &'static str {
                match self { $(Code::$variant => $text,)+ }
            }
        }
    };
}

codes! {
    /// The body is not JSON.
    MalformedJson = 400, "malformed_json", "the body is not well-formed JSON in UTF-8";
    /// A cursor or position is not one that this server gave this account for this purpose.
    InvalidCursor = 400, "invalid_cursor", "the cursor or position is not one that you were given for this: start without it";
    /// A header is missing or malformed.
    InvalidHeader = 400, "invalid_header", "a header is missing or malformed";
    /// The query string does not fit.
    InvalidQuery = 400, "invalid_query", "the query string does not fit this route";
    /// No access token, or one that does not hold (any more).
    Unauthenticated = 401, "unauthenticated", "the access token is missing, malformed or expired, or its session has ended";
    /// The account or password is wrong, or logins are refused for a time.
    LoginRefused = 401, "login_refused", "e-mail address and password do not go together, or the address is not confirmed";
    /// The refresh token is used up, expired or unknown, or its session ended.
    RefreshRefused = 401, "refresh_refused", "the refresh token does not hold any more: log in again";
    /// The present password is another.
    PasswordWrong = 403, "password_wrong", "the present password is another";
    /// No such route, or no such thing, or none that the caller may know of.
    NotFound = 404, "not_found", "there is no such thing here";
    /// The route knows other methods.
    MethodNotAllowed = 405, "method_not_allowed", "this route knows other methods: see Allow";
    /// The body took too long.
    BodyTimeout = 408, "body_timeout", "the body did not arrive in time";
    /// The same command is being decided right now.
    InProgress = 409, "in_progress", "the first request with this idempotency key is still in progress";
    /// `If-Match` names another revision.
    RevisionMismatch = 412, "revision_mismatch", "the revision is another than If-Match says: read it again";
    /// The body is too large.
    BodyTooLarge = 413, "body_too_large", "the body is larger than this route takes";
    /// The query string is too long.
    QueryTooLong = 414, "query_too_long", "the query string is longer than this server takes";
    /// The body is not declared as JSON.
    UnsupportedMediaType = 415, "unsupported_media_type", "the body has to be application/json, not compressed";
    /// The JSON does not fit: a field is unknown, missing or of another kind.
    InvalidBody = 422, "invalid_body", "the body does not fit this route";
    /// The idempotency key was used for another command.
    IdempotencyKeyReused = 422, "idempotency_key_reused", "this idempotency key was used before for something else";
    /// Too many logins failed.
    LoginLocked = 429, "login_locked", "too many logins failed: wait";
    /// Too many requests.
    RateLimited = 429, "rate_limited", "too many requests: wait";
    /// The server failed; nothing about it is told.
    Internal = 500, "internal", "the server failed; the request id finds the cause in its log";
    /// A queue is full.
    Overloaded = 503, "overloaded", "the server is overloaded: wait, then repeat with the same idempotency key";
    /// A part that this needs cannot be reached.
    Unavailable = 503, "unavailable", "the server cannot do this now: wait, then repeat with the same idempotency key";
    /// The log is not the one that the installation knows.
    LogRefused = 503, "log_refused", "the server finds a log that is older than what it knows, or another one, and writes nothing: its operators have to say which log counts (`envoi doctor` names the difference, ops/docs/runbooks/backup-restore.md says what to do)";
    /// The read model has not come as far as the query asks.
    Behind = 503, "behind", "the read model has not come this far yet: wait, then ask again";
}

/// An answer that says why there is no other.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    /// Further members of the JSON object.
    members: Map<String, Value>,
    retry_after: Option<Duration>,
    /// For the log only.
    cause: Option<String>,
}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = matches!(status.as_u16(), 503).then_some(limits::RETRY_AFTER);
        let detail = code.text().to_owned();
        Self { status, code: code.as_str(), detail, members: Map::new(), retry_after, cause: None }
    }
}

impl Problem {
    /// A failure that the caller can do nothing about; `cause` goes to the log, once, and nowhere else.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        Self::from(Code::Internal).because(cause)
    }

    /// Something that this needs cannot be reached for the moment; `cause` goes to the log only.
    pub fn unavailable(cause: impl std::fmt::Display) -> Self {
        Self::from(Code::Unavailable).because(cause)
    }

    /// The JSON is good but does not fit at `field` (a path such as `members[2].role`).
    pub fn field(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::from(Code::InvalidBody).with("field", Value::String(field.into())).detail(reason)
    }

    /// The same with another text for people.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// The same with one more member in its JSON.
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.members.insert(name.to_owned(), value);
        self
    }

    /// The same with a time after which to try again.
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The same with a cause for the log.
    pub fn because(mut self, cause: impl std::fmt::Display) -> Self {
        self.cause = Some(format!("{cause:#}"));
        self
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The body, as it also stands in a batch's or a socket's answer.
    pub fn to_json(&self, request_id: &str) -> Value {
        let mut body = self.members.clone();
        body.insert("type".to_owned(), json!(format!("urn:envoi:problem:{}", self.code)));
        body.insert("title".to_owned(), json!(self.status.canonical_reason().unwrap_or_default()));
        body.insert("status".to_owned(), json!(self.status.as_u16()));
        body.insert("code".to_owned(), json!(self.code));
        body.insert("detail".to_owned(), json!(self.detail));
        body.insert("request_id".to_owned(), json!(request_id));
        if let Some(seconds) = self.retry_after_seconds() {
            body.insert("retry_after".to_owned(), json!(seconds));
        }
        Value::Object(body)
    }

    /// Whole seconds after which to try again, at least one.
    fn retry_after_seconds(&self) -> Option<u64> {
        self.retry_after.map(|wait| (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1))
    }

    /// Writes the cause to the log, if there is one.
    pub fn log(&self, request_id: &str) {
        if let Some(cause) = &self.cause {
            if self.status == StatusCode::INTERNAL_SERVER_ERROR {
                tracing::error!(request_id, code = self.code, cause, "request failed");
            } else {
                tracing::warn!(request_id, code = self.code, cause, "request refused");
            }
        }
    }

    /// The HTTP answer; writes the cause to the log.
    pub fn into_response(self, request_id: &str) -> HttpResponse {
        self.log(request_id);
        let mut response = HttpResponse::build(self.status);
        response.insert_header((header::CONTENT_TYPE, "application/problem+json"));
        if let Some(seconds) = self.retry_after_seconds() {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        if self.code == Code::Unauthenticated.as_str() {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\""));
        }
        response.body(self.to_json(request_id).to_string())
    }
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        let status = status_of_kind(rejection.kind());
        let problem = Self {
            status,
            code: rejection.code(),
            detail: rejection.to_string(),
            members: Map::new(),
            retry_after: None,
            cause: None,
        };
        with_members(problem, &rejection)
    }
}

const fn status_of_kind(kind: RejectionKind) -> StatusCode {
    match kind {
        RejectionKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        RejectionKind::Forbidden => StatusCode::FORBIDDEN,
        RejectionKind::NotFound => StatusCode::NOT_FOUND,
        RejectionKind::Conflict | RejectionKind::LimitReached => StatusCode::CONFLICT,
    }
}

impl From<ExecuteError> for Problem {
    fn from(error: ExecuteError) -> Self {
        let cause = chain(&error);
        match error {
            ExecuteError::SessionEnded => Code::Unauthenticated.into(),
            ExecuteError::Rejected(rejection) => rejection.into(),
            ExecuteError::RevisionMismatch { current } => {
                let current = current.map(|revision| format!("\"{revision}\""));
                Self::from(Code::RevisionMismatch).with("current", json!(current))
            }
            ExecuteError::CommandReused { .. } => Code::IdempotencyKeyReused.into(),
            ExecuteError::InFlight { .. } => Self::from(Code::InProgress).retry_after(limits::RETRY_AFTER),
            ExecuteError::TooLarge { .. } => Self::from(Code::BodyTooLarge).detail(cause),
            ExecuteError::Overloaded { retry_after } => Self::from(Code::Overloaded).retry_after(retry_after),
            ExecuteError::LogRefused { .. } => Self::from(Code::LogRefused).because(cause),
            ExecuteError::Undecided | ExecuteError::Unavailable { .. } => Self::unavailable(cause),
            ExecuteError::Seal { .. } | ExecuteError::Corrupt { .. } => Self::internal(cause),
        }
    }
}

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        let cause = chain(&error);
        match error {
            AuthError::Refused => Code::LoginRefused.into(),
            AuthError::Locked { retry_after } => Self::from(Code::LoginLocked).retry_after(retry_after),
            AuthError::RefreshRefused => Code::RefreshRefused.into(),
            AuthError::Overloaded { retry_after } => Self::from(Code::Overloaded).retry_after(retry_after),
            AuthError::Execute(error) => error.into(),
            AuthError::Unavailable(_) => Self::unavailable(cause),
            AuthError::Damaged(_) => Self::internal(cause),
        }
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        if matches!(error, QueryError::Behind) {
            return Code::Behind.into();
        }
        if error.is_transient() { Self::unavailable(chain(&error)) } else { Self::internal(chain(&error)) }
    }
}

impl From<WaitError> for Problem {
    fn from(error: WaitError) -> Self {
        match error {
            WaitError::Timeout => Code::Behind.into(),
            WaitError::Busy => Self::from(Code::Overloaded).because(error),
            WaitError::Unknown(_) => Self::internal(error),
        }
    }
}

impl From<LogError> for Problem {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Unavailable { .. } => Self::unavailable(chain(&error)),
            LogError::Corrupt { .. } => Self::internal(chain(&error)),
        }
    }
}

impl From<SealError> for Problem {
    fn from(error: SealError) -> Self {
        if error.is_unavailable() { Self::unavailable(chain(&error)) } else { Self::internal(chain(&error)) }
    }
}

/// An error with all its sources, for the log.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Adds what a client needs to act on a rejection without reading its text.
fn with_members(problem: Problem, rejection: &Rejection) -> Problem {
    match rejection {
        Rejection::InvalidField { field, .. } => problem.with("field", json!(field)),
        Rejection::StaleGeneration { current, commit_required } => {
            problem.with("current", json!(current)).with("commit_required", json!(commit_required))
        }
        Rejection::GenerationConflict { current } => problem.with("current", json!(current)),
        Rejection::WrapsMismatch { missing_recipients, extra_recipients } => problem
            .with("missing_recipients", json!(missing_recipients))
            .with("extra_recipients", json!(extra_recipients)),
        Rejection::WrapInvalid { recipient } => problem.with("recipient", json!(recipient)),
        Rejection::ConversationExists { conversation_id } => {
            problem.with("conversation_id", json!(conversation_id))
        }
        Rejection::NotOrganizationMember { account_id } | Rejection::NotWorkspaceMember { account_id } => {
            problem.with("account_id", json!(account_id))
        }
        Rejection::DeviceLimit { limit }
        | Rejection::MemberLimit { limit }
        | Rejection::InvitationLimit { limit }
        | Rejection::PinLimit { limit } => problem.with("limit", json!(limit)),
        _ => problem,
    }
}

/// The HTTP status that a code is answered with; none for one that no client can meet.
pub fn status_of(code: &str) -> Option<u16> {
    let of_edge = Code::ALL.iter().find(|one| one.as_str() == code).map(|one| one.status());
    let of_rules = || Rejection::KINDS.iter().find(|(one, _)| *one == code);
    of_edge.or_else(|| of_rules().map(|(_, kind)| status_of_kind(*kind).as_u16()))
}

/// Whether `code` is one that a client can meet.
pub fn is_known(code: &str) -> bool {
    status_of(code).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_code_of_the_edge_is_also_one_of_the_rules() {
        for code in Code::ALL {
            assert!(!Rejection::CODES.contains(&code.as_str()), "{}", code.as_str());
        }
    }

    #[test]
    fn a_stale_generation_says_what_is_current() {
        let problem = Problem::from(Rejection::StaleGeneration { current: 3, commit_required: true });
        let body = problem.to_json("r");
        assert_eq!(problem.status().as_u16(), 409);
        assert_eq!((&body["current"], &body["commit_required"]), (&json!(3), &json!(true)));
        assert_eq!(body["type"], "urn:envoi:problem:stale_generation");
    }

    #[test]
    fn a_failure_tells_nothing_of_its_cause() {
        let problem = Problem::internal("relation \"events\" does not exist");
        assert!(!problem.to_json("r").to_string().contains("relation"));
    }

    #[test]
    fn a_full_queue_says_when_to_come_back() {
        let error = ExecuteError::Overloaded { retry_after: Duration::from_millis(2_500) };
        let problem = Problem::from(error);
        assert_eq!(problem.code(), "overloaded");
        let response = problem.into_response("r");
        assert_eq!(response.status().as_u16(), 503);
        assert_eq!(response.headers().get("retry-after").unwrap(), "3");
    }

    #[test]
    fn an_outage_says_when_to_come_back() {
        let response = Problem::unavailable("connection refused").into_response("r");
        assert_eq!(response.status().as_u16(), 503);
        assert_eq!(response.headers().get("retry-after").unwrap(), "1");
    }
}
