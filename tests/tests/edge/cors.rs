//! Scripts of pages from elsewhere.

use reqwest::Method;
use tests::http::send;
use tests::server::{Options, TestServer};

const PAGE: &str = "https://app.example.org";
const ALLOWED: &str = "access-control-allow-origin";

/// What a browser asks before a script of a page may send a command.
async fn preflight(server: &TestServer, page: &str) -> reqwest::Response {
    let request = server.http().request(Method::OPTIONS, "/v1/organizations").header("origin", page);
    let request = request.header("access-control-request-method", "POST");
    let asked = "authorization,content-type,idempotency-key,envoi-min-position,if-match,if-none-match";
    request.header("access-control-request-headers", asked).send().await.unwrap()
}

#[tokio::test]
async fn scripts_of_configured_pages_may_ask_and_read_what_they_need() {
    let origins = vec![PAGE.to_owned()];
    let server = TestServer::start_with(Options { origins, ..Options::default() }).await;
    let answer = preflight(&server, PAGE).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()[ALLOWED], PAGE);
    assert_eq!(answer.headers()["access-control-max-age"], "3600");
    assert!(answer.headers().get("access-control-allow-credentials").is_none(), "tokens, not cookies");
    let asked = server.http().request(Method::GET, "/v1/organizations").header("origin", PAGE);
    // A refusal is read as well: what went wrong is told there.
    let answer = send(asked).await.refused(401, "unauthenticated");
    assert_eq!(answer.header(ALLOWED), PAGE);
    assert!(answer.header("access-control-expose-headers").contains("envoi-position"));
    assert!(answer.header("vary").to_ascii_lowercase().contains("origin"));
    let other = preflight(&server, "https://evil.example.org").await;
    assert!(other.headers().get(ALLOWED).is_none(), "{:?}", other.headers());
}

#[tokio::test]
async fn without_configured_pages_none_may() {
    let server = TestServer::start().await;
    assert!(preflight(&server, PAGE).await.headers().get(ALLOWED).is_none());
    let asked = server.http().request(Method::GET, "/v1/openapi.json").header("origin", PAGE);
    assert_eq!(send(asked).await.header(ALLOWED), "");
}
