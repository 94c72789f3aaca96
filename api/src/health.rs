//! Liveness and readiness.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::{HttpRequest, HttpResponse, web};
use projections::State as ProjectionState;
use serde::Serialize;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::edge::{open_to_all, read};
use crate::limits::{READY_FRESH, READY_WAIT_MAX};
use crate::rates::Subject;
use crate::state::State;

/// `/health/live` and `/health/ready`.
pub fn routes(config: &mut web::ServiceConfig) {
    config.route("/health/live", read().to(live)).route("/health/ready", read().to(ready));
}

/// The process answers: whoever restarts what hangs needs no more.
async fn live(request: HttpRequest, state: web::Data<State>) -> HttpResponse {
    open_to_all(&state, &request, "/health/live", Subject::Probe, |_| async {
        HttpResponse::Ok().json(json!({ "status": "live" }))
    })
    .await
}

/// What is found out for all who ask within a moment, by a task that none of them can break off or set off twice.
#[derive(Default)]
pub struct Findings {
    last: Mutex<Option<Round>>,
    is_draining: AtomicBool,
}

impl Findings {
    /// The process is about to end.
    pub(crate) fn drain(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }
}

/// Asking all parts once.
struct Round {
    began: Instant,
    found: watch::Receiver<Option<Parts>>,
}

impl Round {
    /// Whether those who ask now get what this round finds: it is under way, or began a moment ago.
    fn holds(&self) -> bool {
        let is_under_way = self.found.borrow().is_none() && self.found.has_changed().is_ok();
        is_under_way || self.began.elapsed() < READY_FRESH
    }
}

type Parts = Arc<BTreeMap<String, Part>>;

/// What is known of all parts, or is found out now.
async fn found(state: &web::Data<State>) -> Parts {
    let mut found = round(state);
    match found.wait_for(Option::is_some).await {
        Ok(parts) => parts.clone().unwrap_or_default(),
        // Its task ended with the thread that it ran on.
        Err(_) => one("process", "stopping"),
    }
}

/// All there is to say where one part is not ready, whatever the others are.
fn one(name: &str, state: &'static str) -> Parts {
    Arc::new(BTreeMap::from([(name.to_owned(), Part::new(false, state))]))
}

/// The round that holds; a new one where none does.
fn round(state: &web::Data<State>) -> watch::Receiver<Option<Parts>> {
    let mut last = state.findings.last.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(round) = last.as_ref().filter(|round| round.holds()) {
        return round.found.clone();
    }
    let (tell, found) = watch::channel(None);
    let state = state.clone().into_inner();
    tokio::spawn(async move { tell.send_replace(Some(Arc::new(parts(&state).await))) });
    *last = Some(Round { began: Instant::now(), found: found.clone() });
    found
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
    open_to_all(&state, &request, "/health/ready", Subject::Probe, |_| async {
        // It need not be found out, and is not of a moment ago.
        let parts = match state.findings.is_draining.load(Ordering::Relaxed) {
            true => one("process", "draining"),
            false => found(&state).await,
        };
        let is_ready = parts.values().all(|part| part.ready);
        let body = json!({ "status": if is_ready { "ready" } else { "not_ready" }, "parts": *parts });
        if is_ready {
            return HttpResponse::Ok().json(body);
        }
        // By then it is found out anew.
        let seconds = READY_FRESH.as_secs().max(1);
        HttpResponse::ServiceUnavailable().insert_header(("retry-after", seconds.to_string())).json(body)
    })
    .await
}

async fn parts(state: &State) -> BTreeMap<String, Part> {
    let log = answers(state.services.executor.log().takes_writes());
    let keyring = answers(state.sealer.keyring().answers());
    let (log, keyring) = tokio::join!(log, keyring);
    let log = match state.services.executor.log().refusal() {
        // Reachable, but nothing is written to it.
        Some(_) => Part::new(false, "refused"),
        None => log,
    };
    let log = Part { engine: Some(state.services.executor.log().engine()), ..log };
    let mut parts = BTreeMap::from([("log".to_owned(), log), ("keyring".to_owned(), keyring)]);
    for (name, progress) in state.projections.progress() {
        let ready = match progress.state {
            ProjectionState::Following | ProjectionState::Standby => true,
            // Until its tables are complete, queries have no answer, or not all of it.
            ProjectionState::Rebuilding
            | ProjectionState::Starting
            | ProjectionState::Diverged
            | ProjectionState::Failing => false,
        };
        parts.insert(format!("projection:{name}"), Part::new(ready, progress.state.as_str()));
    }
    // What this node could lead: without a leader it stands still, however well the node is.
    for (lease, is_led) in state.leases.watched() {
        // A projection's names the release that it is led for, too.
        let name = lease.split('@').next().unwrap_or_default().replacen('/', ":", 1);
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
