//! The rendered reference at `/docs`: one page and one script of our own over `/v1/openapi.json`, nothing from elsewhere.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};

use crate::edge::{open_to_all, read};
use crate::rates::Subject;
use crate::state::State;

const PAGE: &str = include_str!("../assets/reference.html");
const SCRIPT: &str = include_str!("../assets/reference.js");
const STYLE: &str = include_str!("../assets/reference.css");
const POLICY: &str =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-ancestors 'none'";

/// The page and its parts.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/docs", read().to(|request, state| asset(request, state, "/docs", "text/html", PAGE)))
        .route(
            "/docs/reference.js",
            read()
                .to(|request, state| asset(request, state, "/docs/reference.js", "text/javascript", SCRIPT)),
        )
        .route(
            "/docs/reference.css",
            read().to(|request, state| asset(request, state, "/docs/reference.css", "text/css", STYLE)),
        );
}

async fn asset(
    request: HttpRequest,
    state: web::Data<State>,
    path: &'static str,
    media_type: &'static str,
    content: &'static str,
) -> HttpResponse {
    open_to_all(&state, &request, path, Subject::Network, |_| async move {
        HttpResponse::Ok()
            .insert_header((header::CONTENT_TYPE, format!("{media_type}; charset=utf-8")))
            .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
            .body(content)
    })
    .await
}
