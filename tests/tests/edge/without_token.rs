//! What anybody may ask without a token: it is limited, and nothing that work needs is touched by it.

use std::net::IpAddr;
use std::time::Duration;

use eventstore_schema::testing::LogOptions;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use tests::http::{Answer, raw, send};
use tests::person::Person;
use tests::server::{Options, TestServer, until};

use crate::postgres::Postgres;

/// Anonymous requests at once from one network, and practically never more.
const BURST: u32 = 20;

fn rates() -> api::Rates {
    api::Rates::new(api::Rate::new(50, 500), api::Rate::one_in(Duration::from_secs(3_600), BURST))
}

/// A server that limits, behind a proxy on this machine.
async fn behind_a_proxy() -> TestServer {
    let proxies = api::Proxies::within(["127.0.0.1/32".parse().unwrap()], api::ForwardedHeader::Any);
    TestServer::start_with(Options { rates: Some(rates()), proxies, ..Options::default() }).await
}

/// Asks without a token, as the client at `from`.
async fn ask(server: &TestServer, from: &str, method: Method, path: &str, body: &'static str) -> Answer {
    let request = server.http().request(method, path).header("x-forwarded-for", from);
    let request = request.header("idempotency-key", "a-key").header("content-type", "application/json");
    send(request.body(body)).await
}

#[tokio::test]
async fn a_flood_of_unknown_paths_is_refused_while_others_work() {
    let server = TestServer::start_with(Options { rates: Some(rates()), ..Options::default() }).await;
    let ann = Person::register(&server, "ann").await;
    let http = ann.http().await;
    let flood = async {
        let http = server.http();
        let all = (0..300).map(|n| {
            let http = http.clone();
            async move { http.get(&format!("/v1/nothing/{n}")).await.status }
        });
        join_all(all).await
    };
    let work = async {
        for n in 0..20 {
            http.post("/v1/organizations", &json!({ "name": format!("Acme {n}") })).await.expect(201);
            http.get("/v1/organizations").await.expect(200);
        }
    };
    let (statuses, ()) = tokio::join!(flood, work);
    let refused = statuses.iter().filter(|status| **status == 429).count();
    assert!(refused > 200, "{refused} of 300 refused");
    assert!(statuses.iter().all(|status| matches!(status, 404 | 429)), "{statuses:?}");
    // Another network has an allowance of its own, and probes from the first have one, too.
    let elsewhere: IpAddr = "127.0.0.2".parse().unwrap();
    let elsewhere = reqwest::Client::builder().local_address(elsewhere).build().unwrap();
    let answer = elsewhere.get(format!("{}/v1/openapi.json", server.url())).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    until(async || (server.http().get("/health/ready").await.status == 200).then_some(())).await;
}

#[tokio::test]
async fn everything_that_needs_no_token_is_limited_by_network() {
    let server = behind_a_proxy().await;
    let kinds = [
        (Method::GET, "/v1/nothing", "", 404),
        (Method::PATCH, "/v1/organizations", "", 405),
        (Method::GET, "/v1/me", "", 401),
        (Method::GET, "/docs", "", 200),
        (Method::POST, "/v1/sessions", "{ no JSON", 400),
        (Method::POST, "/v1/sessions/refresh", "[]", 422),
    ];
    for (n, (method, path, body, usual)) in kinds.into_iter().enumerate() {
        let from = format!("192.0.2.{n}");
        let mut statuses = Vec::new();
        for _ in 0..2 * BURST {
            statuses.push(ask(&server, &from, method.clone(), path, body).await.status);
        }
        assert_eq!(statuses.first(), Some(&usual), "{path}: {statuses:?}");
        let refused = statuses.iter().filter(|status| **status == 429).count();
        assert!(refused > 0, "{method} {path}: {statuses:?}");
        let told = ask(&server, "198.51.100.1", method, path, body).await;
        assert_eq!(
            told.header("ratelimit-policy"),
            format!("\"address\";q={BURST};w={}", BURST * 3_600),
            "{path}"
        );
    }
}

#[tokio::test]
async fn however_many_probe_the_parts_are_asked_once() {
    let server = TestServer::start().await;
    let ann = Person::register(&server, "ann").await;
    let http = ann.http().await;
    let admin = server.database().await;
    let observer = server.database().await;
    let asking = async || -> i64 {
        let sql = "SELECT count(*) FROM pg_stat_activity \
            WHERE query LIKE '%pg_logical_emit_message%' AND state = 'active' \
            AND datname = current_database() AND pid <> pg_backend_pid()";
        observer.query_one(sql, &[]).await.unwrap().get(0)
    };
    // What a probe asks waits behind it; reading does not.
    admin.batch_execute("BEGIN; LOCK TABLE log.commands IN SHARE MODE").await.unwrap();
    let probes = join_all((0..200).map(|_| {
        let http = server.http();
        async move { http.get("/health/ready").await.status }
    }));
    let watching = async {
        until(async || (asking().await > 0).then_some(())).await;
        let mut most = 0;
        for _ in 0..50 {
            most = most.max(asking().await);
            http.get("/v1/organizations").await.expect(200);
        }
        most
    };
    let (statuses, most) = tokio::join!(probes, watching);
    // One is cancelled while the next begins, at most.
    assert!(most <= 2, "{most} at once");
    assert!(statuses.contains(&503), "{statuses:?}");
    admin.batch_execute("ROLLBACK").await.unwrap();
    until(async || (server.http().get("/health/ready").await.status == 200).then_some(())).await;
}

#[tokio::test]
async fn a_probe_that_breaks_off_does_not_start_another() {
    let server = TestServer::start().await;
    let admin = server.database().await;
    // Not the one that locks: within a transaction these statistics stand still.
    let observer = server.database().await;
    admin.batch_execute("BEGIN; LOCK TABLE log.commands IN SHARE MODE").await.unwrap();
    let pid = async || -> Option<i32> {
        let sql = "SELECT pid FROM pg_stat_activity \
            WHERE query LIKE '%pg_logical_emit_message%' AND state = 'active' \
            AND datname = current_database() AND pid <> pg_backend_pid()";
        observer.query_opt(sql, &[]).await.unwrap().map(|row| row.get(0))
    };
    let http = server.http();
    let probe = tokio::spawn(async move { http.get("/health/ready").await.status });
    let first = until(async || pid().await).await;
    probe.abort();
    assert!(probe.await.unwrap_err().is_cancelled());
    // Whoever comes next gets what the one under way finds out.
    let http = server.http();
    let next = tokio::spawn(async move { http.get("/health/ready").await.status });
    tokio::task::yield_now().await;
    assert_eq!(pid().await.unwrap_or(first), first);
    assert_eq!(next.await.unwrap(), 503);
    admin.batch_execute("ROLLBACK").await.unwrap();
}

#[tokio::test]
async fn whatever_is_read_can_be_asked_for_its_head() {
    let server = TestServer::start().await;
    let ann = Person::register(&server, "ann").await;
    let http = ann.http().await;
    for path in ["/health/live", "/health/ready", "/docs", "/v1/openapi.json", "/v1/me", "/v1/organizations"]
    {
        let answer = http.request(Method::HEAD, path).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        assert!(answer.bytes().await.unwrap().is_empty(), "{path}");
    }
    for path in ["/health/live", "/health/ready", "/metrics"] {
        let answer = server.internal().request(Method::HEAD, path).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
    }
    http.request(Method::HEAD, "/v1/nothing").send().await.unwrap().error_for_status().unwrap_err();
    let answer = raw(server.public, b"HEAD /health/live HTTP/1.1\r\nHost: envoi.test\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\n"), "{answer}");
    let refused = http.put("/v1/organizations", &json!({})).await.refused(405, "method_not_allowed");
    assert_eq!(refused.header("allow"), "GET, HEAD, POST");
}

#[tokio::test]
async fn an_outage_uses_up_nobodys_allowance() {
    let postgres = Postgres::start().await;
    let log = LogOptions { patience: Some(Duration::from_millis(200)), ..LogOptions::default() };
    let rate = api::Rate::one_in(Duration::from_secs(3_600), 5);
    let rates = api::Rates::new(rate, rate);
    let server = postgres.serve(Options { rates: Some(rates), log, ..Options::default() }).await;
    let ann = Person::register(&server, "ann").await;
    let http = ann.http().await;
    postgres.stop().await;
    for _ in 0..30 {
        let refused = http.get("/v1/organizations").await.refused(503, "unavailable");
        assert!(!refused.header("ratelimit").contains(";r=0;"), "{}", refused.header("ratelimit"));
    }
    postgres.start_again().await;
    until(async || (http.get("/v1/organizations").await.status == 200).then_some(())).await;
    drop(server);
    postgres.destroy().await;
}
