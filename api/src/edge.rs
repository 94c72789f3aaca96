//! Between HTTP and endpoints: who asks, how often, how much, and what the answer looks like.

use std::future::Future;
use std::time::Instant;

use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, Route as HttpRoute, guard, web};
use bytes::Bytes;
use commands::network::Network;
use domain::AccountId;

use crate::budget::Budget;
use crate::cursor::Place;
use crate::endpoint::{Access, Outcome, Route};
use crate::etag;
use crate::extract::{Call, Identity, Origin, is_request_id, push_parameter};
use crate::limits::{BODY_WAIT_MAX, QUERY_BYTES_MAX, USER_AGENT_CHARS_MAX};
use crate::problem::{Code, Problem};
use crate::rates::{Counted, Subject};
use crate::state::State;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
const POSITION: HeaderName = HeaderName::from_static("envoi-position");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// What goes with every answer; an answer that has one of these already keeps it.
static SECURITY_HEADERS: [(HeaderName, &str); 6] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Takes `GET`, and `HEAD`, which is answered alike without the body (RFC 9110, section 9.3.2).
pub fn read() -> HttpRoute {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// Runs `answer` as the answer to a request: names the request, measures and logs it, and finishes the headers.
///
/// `template` is the path as the registry writes it; neither log nor metrics see anything that the client made up, but for its
/// short request id. Who is over their rate is counted and leaves no line: nobody fills a disk by asking too often.
pub async fn observed<F>(
    state: &State,
    request: &HttpRequest,
    template: &'static str,
    answer: impl FnOnce(Origin) -> F,
) -> HttpResponse
where
    F: Future<Output = HttpResponse>,
{
    let started = Instant::now();
    let in_progress = state.metrics.begin();
    let origin = origin(state, request);
    let (request_id, address, trace_id) =
        (origin.request_id.clone(), origin.address, origin.trace_id.clone());
    let mut response = answer(origin).await;
    let headers = response.headers_mut();
    for (name, value) in &SECURITY_HEADERS {
        if !headers.contains_key(name) {
            headers.insert(name.clone(), HeaderValue::from_static(value));
        }
    }
    if let Ok(value) = HeaderValue::try_from(&request_id) {
        headers.insert(REQUEST_ID, value);
    }
    let (took, status) = (started.elapsed(), response.status().as_u16());
    let method = known_method(request.method().as_str());
    state.metrics.answered(template, method, status, took);
    let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let account = request.extensions().get::<AccountId>().copied().map(tracing::field::display);
    let (address, trace_id) = (address.map(tracing::field::display), trace_id.as_deref());
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                target: "envoi::access", request_id, method, route = template, status, took_us, account, address, trace_id
            )
        };
    }
    if response.status() == StatusCode::TOO_MANY_REQUESTS {
        line!(debug);
    } else {
        line!(info);
    }
    drop(in_progress);
    response
}

/// The same for what anybody gets without a token: it counts against their network, as what `subject` makes of it.
pub async fn open_to_all<F>(
    state: &State,
    request: &HttpRequest,
    template: &'static str,
    subject: fn(Network) -> Subject,
    answer: impl FnOnce(Origin) -> F,
) -> HttpResponse
where
    F: Future<Output = HttpResponse>,
{
    observed(state, request, template, |origin| async move {
        let counted = count(state, &origin, subject);
        let request_id = origin.request_id.clone();
        let mut response = match counted.admit() {
            Ok(()) => answer(origin).await,
            Err(problem) => problem.into_response(&request_id),
        };
        counted.tell(&mut response);
        response
    })
    .await
}

/// Counts a request of nobody in particular against the network that it comes from.
fn count<'s>(state: &'s State, origin: &Origin, subject: fn(Network) -> Subject) -> Counted<'s> {
    let network = origin.address.map(Network::of);
    network.map(|network| state.count(subject(network))).unwrap_or_default()
}

/// The trace of a `traceparent` (W3C Trace Context, section 3.2.2), if it is one.
fn trace_id(text: &str) -> Option<&str> {
    let mut parts = text.splitn(4, '-');
    let [version, trace, parent, flags] = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
    let is_hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_set = |part: &str| part.bytes().any(|byte| byte != b'0');
    // Later versions may say more behind the flags.
    let flags_are_known = match version {
        "00" => is_hex(flags, 2),
        _ => {
            flags.get(..2).is_some_and(|first| is_hex(first, 2))
                && matches!(flags.as_bytes().get(2), None | Some(b'-'))
        }
    };
    let is_one = is_hex(version, 2) && version != "ff" && is_hex(trace, 32) && is_hex(parent, 16);
    (is_one && flags_are_known && is_set(trace) && is_set(parent)).then_some(trace)
}

/// A method as a label: whatever a client makes up is one label.
fn known_method(method: &str) -> &'static str {
    ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"]
        .into_iter()
        .find(|known| *known == method)
        .unwrap_or("other")
}

fn origin(state: &State, request: &HttpRequest) -> Origin {
    let text = |name: &HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    let request_id = match text(&REQUEST_ID).filter(|id| is_request_id(id)) {
        Some(id) => id.to_owned(),
        None => state.clock.new_id::<uuid::Uuid>().to_string(),
    };
    let user_agent =
        text(&header::USER_AGENT).map(|agent| agent.chars().take(USER_AGENT_CHARS_MAX).collect());
    let address = state.proxies.client(request.peer_addr().map(|peer| peer.ip()), request.headers());
    let trace_id = text(&TRACE_PARENT).and_then(trace_id).map(str::to_owned);
    Origin { address, user_agent, request_id, trace_id }
}

/// Answers a request to `route`.
pub async fn dispatch(
    route: &'static Route,
    state: web::Data<State>,
    request: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    let (state, request) = (&**state, &request);
    observed(state, request, route.about.path, |origin| async move {
        let mut counted = Counted::default();
        let answered = answer(route, state, request, payload, &origin, &mut counted).await;
        let mut response = match answered {
            Ok((outcome, identity)) => match respond(state, request, outcome, identity).await {
                Ok(response) => response,
                Err(problem) => problem.into_response(&origin.request_id),
            },
            Err(problem) => problem.into_response(&origin.request_id),
        };
        counted.tell(&mut response);
        response
    })
    .await
}

async fn answer<'s>(
    route: &Route,
    state: &'s State,
    request: &HttpRequest,
    payload: web::Payload,
    origin: &Origin,
    counted: &mut Counted<'s>,
) -> Result<(Outcome, Option<Identity>), Problem> {
    let mut budget = Budget::default();
    let identity = budget.spend(identify(route.access, state, request)).await;
    if let Ok(Some(identity)) = &identity {
        // For the log's line.
        request.extensions_mut().insert(identity.account_id);
    }
    let identity = admit(identity, state, origin, counted)?;
    let text = |name: &str| header_text(request, name);
    let path = path_parameters(request)?;
    if request.query_string().len() > QUERY_BYTES_MAX {
        return Err(Code::QueryTooLong.into());
    }
    let body = read_body(route, request, payload).await?;
    let call = Call {
        identity,
        origin,
        path: &path,
        query: request.query_string(),
        body: &body,
        idempotency_key: text("idempotency-key")?,
        if_match: text("if-match")?,
        min_position: text("envoi-min-position")?,
        deadline: budget.deadline(),
    };
    Ok((budget.spend((route.answer)(state, call)).await?, identity))
}

/// Finds out who asks.
async fn identify(access: Access, state: &State, request: &HttpRequest) -> Result<Option<Identity>, Problem> {
    match access {
        Access::Anonymous => Ok(None),
        Access::Account | Access::Device => state.authenticate(bearer(request)?).await.map(Some),
    }
}

/// Counts a request against the rate of who makes it. One without a token, or with one that does not hold, counts against the
/// network, so that nobody tries out many.
pub fn admit<'s>(
    identity: Result<Option<Identity>, Problem>,
    state: &'s State,
    origin: &Origin,
    counted: &mut Counted<'s>,
) -> Result<Option<Identity>, Problem> {
    *counted = match &identity {
        Ok(Some(identity)) => state.count(Subject::Account(identity.account_id)),
        Ok(None) | Err(_) => count(state, origin, Subject::Network),
    };
    counted.admit()?;
    identity
}

fn header_text<'a>(request: &'a HttpRequest, name: &str) -> Result<Option<&'a str>, Problem> {
    let Some(value) = request.headers().get(name) else { return Ok(None) };
    let text = value.to_str().map_err(|_| Problem::from(Code::InvalidHeader).with("header", name.into()))?;
    Ok(Some(text))
}

/// The access token of a request: the `Authorization` header only, never the URL, which ends up in logs.
pub fn bearer(request: &HttpRequest) -> Result<&str, Problem> {
    let value = header_text(request, "authorization")?.ok_or(Code::Unauthenticated)?;
    let (scheme, token) = value.split_once(' ').ok_or(Code::Unauthenticated)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim()) } else { Err(Code::Unauthenticated.into()) }
}

fn path_parameters(request: &HttpRequest) -> Result<String, Problem> {
    let mut text = String::with_capacity(64);
    for (name, value) in request.match_info().iter() {
        push_parameter(&mut text, name, value)?;
    }
    Ok(text)
}

async fn read_body(route: &Route, request: &HttpRequest, payload: web::Payload) -> Result<Bytes, Problem> {
    let size_max = route.about.body_bytes_max;
    let declared = header_text(request, "content-length")?.and_then(|text| text.parse::<usize>().ok());
    if declared.is_some_and(|size| size > size_max) {
        return Err(too_large(size_max));
    }
    if (route.takes_body)() {
        check_media_type(request)?;
    }
    let read = tokio::time::timeout(BODY_WAIT_MAX, payload.to_bytes_limited(size_max)).await;
    match read.map_err(|_| Code::BodyTimeout)? {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(Problem::from(Code::MalformedJson).detail("the body broke off")),
        Err(_) => Err(too_large(size_max)),
    }
}

fn too_large(size_max: usize) -> Problem {
    Problem::from(Code::BodyTooLarge).with("bytes_max", size_max.into())
}

fn check_media_type(request: &HttpRequest) -> Result<(), Problem> {
    let encoding = header_text(request, "content-encoding")?.unwrap_or("identity");
    let value = header_text(request, "content-type")?.unwrap_or_default();
    let (media_type, parameters) = value.split_once(';').unwrap_or((value, ""));
    let charset = parameters.trim().to_ascii_lowercase();
    let is_utf8 = matches!(charset.as_str(), "" | "charset=utf-8" | "charset=\"utf-8\"");
    let is_json = media_type.trim().eq_ignore_ascii_case("application/json");
    if is_json && is_utf8 && encoding.eq_ignore_ascii_case("identity") {
        Ok(())
    } else {
        Err(Code::UnsupportedMediaType.into())
    }
}

async fn respond(
    state: &State,
    request: &HttpRequest,
    outcome: Outcome,
    identity: Option<Identity>,
) -> Result<HttpResponse, Problem> {
    let status = StatusCode::from_u16(outcome.status).map_err(Problem::internal)?;
    let mut response = HttpResponse::build(status);
    // What is read may change without its revision: names of people, counts.
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD) && status == StatusCode::OK;
    let tag = if is_read {
        Some(etag::of_read(outcome.revision, &outcome.body))
    } else {
        outcome.revision.map(etag::of_change)
    };
    if let Some(tag) = tag {
        let known = header_text(request, "if-none-match").ok().flatten();
        if is_read && known.is_some_and(|known| etag::is_among(known, &tag)) {
            return Ok(HttpResponse::NotModified().insert_header((header::ETAG, tag)).finish());
        }
        response.insert_header((header::ETAG, tag));
    }
    if let Some(effect) = outcome.effect {
        if effect.replayed {
            response.insert_header((REPLAYED, "true"));
        }
        if let Some(identity) = identity {
            let place = Place { incarnation: state.incarnation, position: effect.position };
            response.insert_header((POSITION, state.cursors.seal_place(identity.account_id, place)?));
        }
    }
    if outcome.body.is_empty() {
        return Ok(response.finish());
    }
    Ok(response.insert_header((header::CONTENT_TYPE, "application/json")).body(outcome.body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_taken_from_what_is_one() {
        let trace = "0af7651916cd43dd8448eb211c80319c";
        let (parent, zeros) = ("b7ad6b7169203331", "00000000000000000000000000000000");
        for text in [
            format!("00-{trace}-{parent}-01"),
            format!("cc-{trace}-{parent}-00"),
            format!("cc-{trace}-{parent}-00-more"),
        ] {
            assert_eq!(trace_id(&text), Some(trace), "{text}");
        }
        for text in [
            format!("00-{trace}-{parent}-01-more"),
            format!("ff-{trace}-{parent}-01"),
            format!("00-{zeros}-{parent}-01"),
            format!("00-{trace}-0000000000000000-01"),
            format!("00-{}-{parent}-01", trace.to_uppercase()),
            format!("00-{trace}-{parent}"),
            format!("00-{trace}\n-{parent}-01"),
            String::new(),
        ] {
            assert_eq!(trace_id(&text), None, "{text}");
        }
    }
}
