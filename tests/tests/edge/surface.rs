//! What every answer has, and what the server tells of itself.

use std::time::Duration;

use serde_json::{Value, json};
use tests::http::send;
use tests::person::Person;
use tests::server::{Options, TestServer, until};

#[tokio::test]
async fn every_answer_is_named_and_keeps_browsers_from_harm() {
    let server = TestServer::start().await;
    let http = server.http();
    for path in ["/v1/openapi.json", "/v1/nothing", "/health/live", "/docs", "/.well-known/jwks.json"] {
        let answer = http.get(path).await;
        assert!(!answer.header("x-request-id").is_empty(), "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert!(answer.header("content-security-policy").contains("default-src 'none'"), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "", "{path}");
    }
    let named = http.request(reqwest::Method::GET, "/v1/me").header("x-request-id", "edge-7");
    assert_eq!(send(named).await.refused(401, "unauthenticated").header("x-request-id"), "edge-7");
    let forged = http.request(reqwest::Method::GET, "/v1/me").header("x-request-id", "a b");
    assert_ne!(send(forged).await.header("x-request-id"), "a b");
}

#[tokio::test]
async fn the_documentation_is_served_and_its_page_needs_nothing_from_elsewhere() {
    let server = TestServer::start().await;
    let http = server.http();
    let document = http.get("/v1/openapi.json").await.expect(200);
    assert_eq!(document.json["openapi"], "3.1.0");
    for path in ["/docs", "/docs/reference.js", "/docs/reference.css"] {
        let text = http.request(reqwest::Method::GET, path).send().await.unwrap().text().await.unwrap();
        assert!(!text.contains("//cdn") && !text.contains("https://"), "{path}");
    }
}

#[tokio::test]
async fn operators_see_requests_by_route_and_clients_do_not() {
    let server = TestServer::start().await;
    let ann = Person::register(&server, "ann").await;
    let http = ann.http().await;
    http.get(&format!("/v1/organizations/{}", uuid::Uuid::now_v7())).await.expect(404);
    let metrics = async || {
        let request = server.internal().request(reqwest::Method::GET, "/metrics");
        request.send().await.unwrap().text().await.unwrap()
    };
    let text = metrics().await;
    assert!(text.contains(
        r#"envoi_http_requests_total{method="GET",route="/v1/organizations/{organization_id}",status="404"} 1"#
    ));
    assert!(text.contains("envoi_revocations_following 1"), "{text}");
    until(async || {
        let text = metrics().await;
        let routed = text.lines().find_map(|line| line.strip_prefix("envoi_live_delay_seconds_count "))?;
        (routed != "0").then_some(())
    })
    .await;
    http.get("/metrics").await.refused(404, "not_found");
}

#[tokio::test]
async fn who_asks_too_often_is_told_to_wait() {
    let slow = |burst| api::Rate::one_in(Duration::from_secs(600), burst);
    let rates = api::Rates::new(slow(3), slow(50));
    let server = TestServer::start_with(Options { rates: Some(rates), ..Options::default() }).await;
    let ann = Person::register(&server, "ann").await;
    let http = ann.http().await;
    let first = http.get("/v1/me/sessions").await.expect(200);
    assert_eq!(first.header("ratelimit-policy"), r#""account";q=3;w=1800"#);
    for _ in 0..2 {
        http.get("/v1/me/sessions").await;
    }
    let refused = http.get("/v1/me/sessions").await.refused(429, "rate_limited");
    assert!(refused.header("retry-after").parse::<u64>().is_ok_and(|wait| (1..=600).contains(&wait)));
    assert!(refused.header("ratelimit").contains(";r=0;"));
}

#[tokio::test]
async fn a_long_answer_is_compressed_for_who_asks() {
    let server = TestServer::start().await;
    let request =
        server.http().request(reqwest::Method::GET, "/v1/openapi.json").header("accept-encoding", "gzip");
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["content-encoding"], "gzip");
}

#[tokio::test]
async fn an_account_shows_its_owner_what_it_knows() {
    let server = TestServer::start().await;
    let ann = Person::register(&server, "ann").await;
    let http = ann.http().await;
    let metadata = json!({ "phone": "+4915112345678", "address": "Unter den Linden 1, Berlin" });
    let changed = http.put("/v1/me/metadata", &metadata).await.expect(204);
    let me = http
        .request(reqwest::Method::GET, "/v1/me")
        .header("envoi-min-position", changed.header("envoi-position"));
    let me = send(me).await.expect(200).json;
    assert_eq!((&me["email"], &me["phone"]), (&Value::from(ann.email.clone()), &metadata["phone"]));
    assert_eq!(me["erased"], false);
    assert!(!me["email_confirmed_at"].is_null());
}
