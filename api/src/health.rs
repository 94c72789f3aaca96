//! Liveness and readiness.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use crate::edge::observed;
use crate::state::State;

/// `/health/live` and `/health/ready`.
pub fn routes(config: &mut web::ServiceConfig) {
    config.route("/health/live", web::get().to(live));
}

/// The process answers: whoever restarts what hangs needs no more.
async fn live(request: HttpRequest, state: web::Data<State>) -> HttpResponse {
    observed(&state, &request, "/health/live", |_| async {
        HttpResponse::Ok().json(json!({ "status": "live" }))
    })
    .await
}
