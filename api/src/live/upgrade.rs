//! `GET /v1/live`: from a request to a socket.

use std::sync::Arc;

use actix_http::body::BoxBody;
use actix_http::ws::handshake;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::BytesMut;
use futures_util::{FutureExt, StreamExt};

use super::socket::Socket;
use super::wire::Wire;
use crate::connection::Takeover;
use crate::edge::{admit, bearer, observed};
use crate::extract::{Identity, Origin};
use crate::problem::{Code, Problem};
use crate::rates::Counted;
use crate::state::State;

/// The subprotocol that is spoken.
const PROTOCOL: &str = "envoi.v1";
/// What an access token among the subprotocols begins with: browsers can send no header of their own.
const BEARER_PREFIX: &str = "bearer.";

/// Answers `GET /v1/live`.
pub async fn upgrade(request: HttpRequest, payload: web::Payload, state: web::Data<State>) -> HttpResponse {
    let state = state.into_inner();
    observed(&state, &request, "/v1/live", |origin| async {
        let request_id = origin.request_id.clone();
        let mut counted = Counted::default();
        let opened = open(&state, &request, payload, origin, &mut counted).await;
        let mut response = opened.unwrap_or_else(|problem| problem.into_response(&request_id));
        counted.tell(&mut response);
        response
    })
    .await
}

async fn open<'s>(
    state: &'s Arc<State>,
    request: &HttpRequest,
    payload: web::Payload,
    origin: Origin,
    counted: &mut Counted<'s>,
) -> Result<HttpResponse, Problem> {
    let identity = identify(state, request, &origin, counted).await?;
    let open = state.live.sockets.open().ok_or(Code::Overloaded)?;
    let takeover = request.conn_data::<Takeover>().ok_or(Code::Unavailable)?;
    let mut response = handshake(request.head())
        .map_err(|error| Problem::from(Code::InvalidHeader).detail(error.to_string()))?;
    if protocols(request).any(|protocol| protocol == PROTOCOL) {
        response.insert_header((header::SEC_WEBSOCKET_PROTOCOL, PROTOCOL));
    }
    let state = Arc::clone(state);
    let body = takeover.by(move |stream| {
        Box::pin(async move {
            let _open = open;
            state.metrics.live_connections.inc();
            let wire = Wire::new(stream, received(payload));
            Socket::new(Arc::clone(&state), origin, wire).run(identity).await;
            state.metrics.live_connections.dec();
        })
    });
    response.message_body(BoxBody::new(body)).map(HttpResponse::from).map_err(Problem::internal)
}

/// What came behind the request before the connection was taken over.
fn received(mut payload: web::Payload) -> BytesMut {
    let mut received = BytesMut::new();
    while let Some(Some(Ok(bytes))) = payload.next().now_or_never() {
        received.extend_from_slice(&bytes);
    }
    received
}

/// Who asks, if the handshake says so; whoever says it in the first frame counts against their address until then.
async fn identify<'s>(
    state: &'s State,
    request: &HttpRequest,
    origin: &Origin,
    counted: &mut Counted<'s>,
) -> Result<Option<Identity>, Problem> {
    let identity = match handshake_token(request) {
        Some(token) => state.authenticate(&token).await.map(Some),
        None => Ok(None),
    };
    admit(identity, state, origin, counted)
}

/// The access token that came with the handshake, in a header or among the subprotocols; never in the URL, which ends up
/// in logs.
fn handshake_token(request: &HttpRequest) -> Option<String> {
    if let Ok(token) = bearer(request) {
        return Some(token.to_owned());
    }
    protocols(request).find_map(|protocol| protocol.strip_prefix(BEARER_PREFIX)).map(str::to_owned)
}

/// The subprotocols that are offered.
fn protocols(request: &HttpRequest) -> impl Iterator<Item = &str> {
    let offered = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL);
    offered.filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(',')).map(str::trim)
}
