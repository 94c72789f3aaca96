//! Liveness and readiness.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use eventstore_schema::keyring::Secret;
use projections::State as ProjectionState;
use serde::Serialize;
use serde_json::json;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::edge::observed;
use crate::limits::{READY_FRESH, READY_WAIT_MAX};
use crate::state::State;

/// `/health/live` and `/health/ready`.
pub fn routes(config: &mut web::ServiceConfig) {
    config.route("/health/live", web::get().to(live)).route("/health/ready", web::get().to(ready));
}

/// The process answers: whoever restarts what hangs needs no more.
async fn live(request: HttpRequest, state: web::Data<State>) -> HttpResponse {
    observed(&state, &request, "/health/live", |_| async {
        HttpResponse::Ok().json(json!({ "status": "live" }))
    })
    .await
}

/// What was found out last, for all who ask within a moment.
#[derive(Default)]
pub struct Findings(Mutex<Option<(Instant, Parts)>>);

type Parts = Arc<BTreeMap<String, Part>>;

impl Findings {
    /// What is known; found out by one of those who ask.
    async fn of(&self, state: &State) -> Parts {
        let mut last = self.0.lock().await;
        if let Some((at, parts)) = &*last
            && at.elapsed() < READY_FRESH
        {
            return Arc::clone(parts);
        }
        let parts = Arc::new(parts(state).await);
        *last = Some((Instant::now(), Arc::clone(&parts)));
        parts
    }
}

/// What one part says of itself.
#[derive(Serialize)]
struct Part {
    ready: bool,
    /// For operators; nothing that outsiders could use.
    state: &'static str,
    /// Which engine keeps the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    engine: Option<&'static str>,
}

impl Part {
    fn new(ready: bool, state: &'static str) -> Self {
        Self { ready, state, engine: None }
    }
}

/// Every part that requests need: whoever balances load sends none while one is missing.
async fn ready(request: HttpRequest, state: web::Data<State>) -> HttpResponse {
    observed(&state, &request, "/health/ready", |_| async {
        let parts = state.findings.of(&state).await;
        let is_ready = parts.values().all(|part| part.ready);
        let body = json!({ "status": if is_ready { "ready" } else { "not_ready" }, "parts": *parts });
        if is_ready { HttpResponse::Ok().json(body) } else { HttpResponse::ServiceUnavailable().json(body) }
    })
    .await
}

async fn parts(state: &State) -> BTreeMap<String, Part> {
    let log = answers(state.services.executor.log().takes_writes());
    let keyring = answers(state.sealer.keyring().named_secret(Secret::PositionSealing));
    let (log, keyring) = tokio::join!(log, keyring);
    let log = Part { engine: Some(state.services.executor.log().engine()), ..log };
    let mut parts = BTreeMap::from([("log".to_owned(), log), ("keyring".to_owned(), keyring)]);
    for (name, progress) in state.projections.progress() {
        let ready = match progress.state {
            ProjectionState::Following | ProjectionState::Standby | ProjectionState::Rebuilding => true,
            ProjectionState::Starting | ProjectionState::Diverged | ProjectionState::Failing => false,
        };
        parts.insert(format!("projection:{name}"), Part::new(ready, progress.state.as_str()));
    }
    // What this node could lead: without a leader it stands still, however well the node is.
    for (lease, is_led) in state.leases.watched() {
        let name = lease.replacen('/', ":", 1);
        if !is_led {
            parts.insert(name, Part::new(false, "leaderless"));
        } else {
            parts.entry(name).or_insert_with(|| Part::new(true, "led"));
        }
    }
    parts
}

async fn answers<T, E>(work: impl Future<Output = Result<T, E>>) -> Part {
    match tokio::time::timeout(READY_WAIT_MAX, work).await {
        Ok(Ok(_)) => Part::new(true, "reachable"),
        Ok(Err(_)) => Part::new(false, "unreachable"),
        Err(_) => Part::new(false, "silent"),
    }
}
