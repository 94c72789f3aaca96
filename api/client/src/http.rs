//! Requests: one way out, with time limits, repetition under the same idempotency key, and problems as typed errors.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderMap, IF_MATCH, RETRY_AFTER};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::edge;
use crate::problem::{ApiError, Problem, Retry, retry};

/// Longest wait for a connection.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(5);
/// Longest wait for a whole answer: the server itself gives up on a body after 30 seconds.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(40);
/// How often a request that may yet succeed is sent in all: with the waits between, about ten seconds of outage are
/// ridden out.
const TRIES_MAX: u32 = 7;
/// Wait before the second try; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(150);
/// Longest wait between two tries that the server did not ask for itself.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// Longest wait that a server is granted.
const GRANTED_WAIT_MAX: Duration = Duration::from_secs(60);
/// Largest answer that is read, in bytes: a page of the largest messages fits.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;

/// A place in the log, as the server tells of it: opaque.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Position(pub String);

/// The revision of a stream, as in `ETag`; goes back as `If-Match`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision(String);

/// An answer with what stands beside it.
#[derive(Clone, Debug)]
pub struct Answer<T> {
    /// The answer.
    pub body: T,
    /// Revision of the stream that was changed or is shown.
    pub revision: Option<Revision>,
    /// Where the command stands in the log.
    pub position: Option<Position>,
}

impl<T> Answer<T> {
    /// The same with another body.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Answer<U> {
        Answer { body: f(self.body), revision: self.revision, position: self.position }
    }
}

/// A request in the making.
#[derive(Clone, Debug)]
pub struct Outgoing {
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    body: Option<Vec<u8>>,
    idempotency_key: Option<String>,
    if_match: Option<Revision>,
    min_position: Option<Position>,
}

impl Outgoing {
    fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            query: Vec::new(),
            body: None,
            idempotency_key: None,
            if_match: None,
            min_position: None,
        }
    }

    /// Reads.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// A command, under a new idempotency key, which is the same at each repetition.
    pub fn post(path: impl Into<String>) -> Self {
        Self { idempotency_key: Some(edge::new_idempotency_key()), ..Self::new(Method::POST, path) }
    }

    /// Replaces what the path names.
    pub fn put(path: impl Into<String>) -> Self {
        Self { idempotency_key: Some(edge::new_idempotency_key()), ..Self::new(Method::PUT, path) }
    }

    /// Takes away what the path names.
    pub fn delete(path: impl Into<String>) -> Self {
        Self { idempotency_key: Some(edge::new_idempotency_key()), ..Self::new(Method::DELETE, path) }
    }

    /// With a body.
    pub fn json(mut self, body: &impl Serialize) -> Self {
        // A body of ours that is no JSON would be refused by the server, which says so.
        self.body = serde_json::to_vec(body).ok();
        self
    }

    /// With a query parameter, if there is a value.
    pub fn query(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.query.extend(value.map(|value| (name, value.to_string())));
        self
    }

    /// Only when the stream is at this revision.
    pub fn if_match(mut self, revision: Option<Revision>) -> Self {
        self.if_match = revision;
        self
    }

    /// Under an idempotency key of the caller's: the command's own id.
    pub fn keyed(mut self, key: impl ToString) -> Self {
        self.idempotency_key = Some(key.to_string());
        self
    }

    /// Only once the read models have come this far.
    pub fn after(mut self, position: Option<Position>) -> Self {
        self.min_position = position;
        self
    }

    pub(crate) fn waits(&self) -> bool {
        self.min_position.is_some()
    }

    pub(crate) fn reads(&self) -> bool {
        self.method == Method::GET
    }
}

/// Sends requests to one server.
#[derive(Clone)]
pub struct Http {
    client: reqwest::Client,
    base: String,
}

impl Http {
    /// Prepares for the server at `base`, such as `https://envoi.example`.
    ///
    /// # Errors
    /// [`ApiError::Address`], [`ApiError::Setup`].
    pub fn new(base: &str) -> Result<Self, ApiError> {
        let base = base.trim_end_matches('/').to_owned();
        if !(base.starts_with("http://") || base.starts_with("https://")) {
            return Err(ApiError::Address);
        }
        install_crypto_provider();
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_WAIT_MAX)
            .timeout(ANSWER_WAIT_MAX)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("envoi-client/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(ApiError::Setup)?;
        Ok(Self { client, base })
    }

    /// The server's address.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Sends, and sends again while the refusal may pass by itself.
    ///
    /// # Errors
    /// [`ApiError::Unreachable`], [`ApiError::Refused`], [`ApiError::Unreadable`].
    pub async fn send<T: DeserializeOwned>(
        &self,
        request: &Outgoing,
        token: Option<&str>,
    ) -> Result<Answer<T>, ApiError> {
        let mut wait = FIRST_WAIT;
        for tries in 1.. {
            let (error, at_least) = match self.try_once(request, token).await {
                Ok(received) if received.status < 300 => return read(received),
                Ok(received) => {
                    let asked = received.retry_after();
                    let error = refusal(received);
                    let code = error.problem().map_or("", |problem| &problem.code);
                    match retry(status_of(&error), code, asked) {
                        Retry::Never => return Err(error),
                        Retry::After(least) => (error, least),
                    }
                }
                Err(error) => (ApiError::Unreachable(error.without_url()), Duration::ZERO),
            };
            if tries >= TRIES_MAX {
                return Err(error);
            }
            tokio::time::sleep(edge::jittered(wait).max(at_least.min(GRANTED_WAIT_MAX))).await;
            wait = (wait * 2).min(WAIT_MAX);
        }
        Err(ApiError::Unreadable { status: 0, reason: "no answer" })
    }

    async fn try_once(&self, request: &Outgoing, token: Option<&str>) -> Result<Received, reqwest::Error> {
        let url = format!("{}{}{}", self.base, request.path, query_string(&request.query));
        let mut builder = self.client.request(request.method.clone(), url).header(ACCEPT, "application/json");
        if let Some(body) = &request.body {
            builder = builder.header(CONTENT_TYPE, "application/json").body(body.clone());
        }
        if let Some(token) = token {
            builder = builder.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(key) = &request.idempotency_key {
            builder = builder.header("idempotency-key", key);
        }
        if let Some(Revision(etag)) = &request.if_match {
            builder = builder.header(IF_MATCH, etag);
        }
        if let Some(Position(position)) = &request.min_position {
            builder = builder.header("envoi-min-position", position);
        }
        let mut response = builder.send().await?;
        let (status, headers) = (response.status().as_u16(), std::mem::take(response.headers_mut()));
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() > ANSWER_BYTES_MAX {
                return Ok(Received { status, headers, body: None });
            }
        }
        Ok(Received { status, headers, body: Some(body) })
    }
}

struct Received {
    status: u16,
    headers: HeaderMap,
    /// `None` when it was too large to read.
    body: Option<Vec<u8>>,
}

impl Received {
    fn header(&self, name: impl reqwest::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    fn retry_after(&self) -> Option<u64> {
        self.header(RETRY_AFTER)?.parse().ok()
    }
}

fn read<T: DeserializeOwned>(received: Received) -> Result<Answer<T>, ApiError> {
    let unreadable = |reason| ApiError::Unreadable { status: received.status, reason };
    let body = received.body.as_deref().ok_or(unreadable("it is too large"))?;
    let body = if body.is_empty() { b"null" } else { body };
    let body = serde_json::from_slice(body).map_err(|error| {
        tracing::debug!(line = error.line(), column = error.column(), "an answer does not fit");
        unreadable("it is not what was asked for")
    })?;
    let revision = received.header(ETAG).map(|etag| Revision(etag.to_owned()));
    let position = received.header("envoi-position").map(|position| Position(position.to_owned()));
    Ok(Answer { body, revision, position })
}

fn refusal(received: Received) -> ApiError {
    let body = received.body.as_deref().unwrap_or_default();
    match serde_json::from_slice::<Problem>(body) {
        Ok(problem) => ApiError::Refused(Box::new(problem)),
        Err(_) => ApiError::Unreadable { status: received.status, reason: "it is no problem+json" },
    }
}

fn status_of(error: &ApiError) -> u16 {
    match error {
        ApiError::Unreadable { status, .. } => *status,
        other => other.problem().map_or(0, |problem| problem.status),
    }
}

fn query_string(parameters: &[(&'static str, String)]) -> String {
    let mut text = String::new();
    for (name, value) in parameters {
        text.push(if text.is_empty() { '?' } else { '&' });
        text.push_str(name);
        text.push('=');
        text.push_str(&escaped(value));
    }
    text
}

/// Percent-encodes everything but the unreserved characters of RFC 3986, for a path segment or query value.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                escaped.push(char::from(byte))
            }
            other => escaped.push_str(&format!("%{other:02X}")),
        }
    }
    escaped
}

/// Makes aws-lc the process's cryptography for TLS, unless the process chose another before.
pub(crate) fn install_crypto_provider() {
    // An error says that there is one already, which is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_values_are_escaped() {
        let request =
            Outgoing::get("/v1/x").query("a", Some("1 &=é")).query("b", None::<u8>).query("c", Some(2));
        assert_eq!(query_string(&request.query), "?a=1%20%26%3D%C3%A9&c=2");
    }

    #[test]
    fn commands_carry_a_key_of_their_own_and_reads_none() {
        let (one, other) = (Outgoing::post("/v1/x"), Outgoing::post("/v1/x"));
        assert!(one.idempotency_key.is_some());
        assert_ne!(one.idempotency_key, other.idempotency_key);
        assert_eq!(Outgoing::get("/v1/x").idempotency_key, None);
    }

    #[test]
    fn an_address_without_scheme_is_refused() {
        assert!(matches!(Http::new("envoi.example").map(|_| ()), Err(ApiError::Address)));
        assert!(Http::new("http://127.0.0.1:1/").is_ok());
    }
}

#[cfg(test)]
mod outage_tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{Reply, TestServer};

    async fn send(server: &TestServer) -> Result<Answer<Value>, ApiError> {
        let request = Outgoing::post("/v1/things").json(&json!({ "name": "x" }));
        Http::new(&server.base).unwrap().send(&request, Some("token")).await
    }

    #[tokio::test]
    async fn overload_and_hang_ups_are_ridden_out_under_one_idempotency_key() {
        let server = TestServer::start(|number, _| match number {
            0 => Reply::problem(503, "overloaded"),
            1 => Reply::HangUp,
            2 => Reply::problem(409, "in_progress"),
            _ => Reply::Answer(
                201,
                vec![("etag", "\"3\"".to_owned()), ("envoi-position", "p".to_owned())],
                r#"{"id":1}"#.to_owned(),
            ),
        })
        .await;
        let answer = send(&server).await.unwrap();
        assert_eq!(answer.body, json!({ "id": 1 }));
        assert_eq!(answer.revision, Some(Revision("\"3\"".to_owned())));
        assert_eq!(answer.position, Some(Position("p".to_owned())));
        let seen = server.seen();
        assert_eq!(seen.len(), 4);
        assert!(seen[0].header("idempotency-key").is_some());
        for one in &seen {
            assert_eq!(one.header("idempotency-key"), seen[0].header("idempotency-key"));
            assert_eq!(one.body, seen[0].body);
            assert_eq!(one.header("authorization"), Some("Bearer token"));
        }
    }

    #[tokio::test]
    async fn a_refusal_is_final_and_typed() {
        let server = TestServer::start(|_, _| Reply::problem(409, "stale_generation")).await;
        let error = send(&server).await.unwrap_err();
        assert!(error.is("stale_generation"), "{error:?}");
        assert_eq!(server.seen().len(), 1);
    }

    #[tokio::test]
    async fn an_answer_that_is_something_else_is_an_error_and_not_a_panic() {
        let server = TestServer::start(|_, _| Reply::Answer(500, Vec::new(), "<html>".to_owned())).await;
        assert!(matches!(send(&server).await, Err(ApiError::Unreadable { status: 500, .. })));
        let server = TestServer::start(|_, _| Reply::Answer(200, Vec::new(), "<html>".to_owned())).await;
        assert!(matches!(send(&server).await, Err(ApiError::Unreadable { status: 200, .. })));
    }

    #[tokio::test]
    async fn an_answer_without_body_reads_as_nothing() {
        let server = TestServer::start(|_, _| Reply::Answer(204, Vec::new(), String::new())).await;
        let answer: Answer<()> =
            Http::new(&server.base).unwrap().send(&Outgoing::delete("/v1/x"), None).await.unwrap();
        assert_eq!(answer.position, None);
    }
}
