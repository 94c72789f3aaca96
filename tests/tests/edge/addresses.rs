//! Whom requests count for behind proxies: the client whom trusted proxies tell, whatever the client itself says.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tests::http::{Answer, Http, send};
use tests::person::{PASSWORD, Person};
use tests::server::{Options, TestServer};
use uuid::Uuid;

/// At once, and practically never more.
const BURST: u32 = 3;

/// A server behind a proxy on this machine.
async fn behind_a_proxy(rates: Option<api::Rates>) -> TestServer {
    let here = "127.0.0.1/32".parse().unwrap();
    let proxies = api::Proxies::within([here], api::ForwardedHeader::Any);
    TestServer::start_with(Options { rates, proxies, ..Options::default() }).await
}

fn few_anonymous() -> api::Rates {
    api::Rates::new(api::Rate::new(50, 500), api::Rate::one_in(Duration::from_secs(3_600), BURST))
}

/// A request of nobody with these header lines.
async fn ask(http: &Http, lines: &[(&str, &str)]) -> Answer {
    let mut request = http
        .request(Method::POST, "/v1/accounts/request-password-reset")
        .header("idempotency-key", Uuid::now_v7().to_string())
        .json(&json!({ "email": "nobody@envoi.test" }));
    for (name, line) in lines {
        request = request.header(*name, *line);
    }
    send(request).await
}

#[tokio::test]
async fn lines_that_a_client_made_up_give_it_no_allowance_of_their_own() {
    let server = behind_a_proxy(Some(few_anonymous())).await;
    let http = server.http();
    let mut statuses = Vec::new();
    for n in 0..20 {
        let made_up = format!("203.0.113.{n}");
        let lines = [("x-forwarded-for", made_up.as_str()), ("x-forwarded-for", "192.0.2.1")];
        statuses.push(ask(&http, &lines).await.status);
    }
    let refused = statuses.iter().filter(|status| **status == 429).count();
    assert!(refused >= 10, "{statuses:?}");
    ask(&http, &[("x-forwarded-for", "192.0.2.2")]).await.expect(202);
    ask(&http, &[("forwarded", "for=203.0.113.1, for=\"[2001:db8::1]:4711\"")]).await.expect(202);
}

#[tokio::test]
async fn an_address_counts_once_however_it_is_written() {
    let server = behind_a_proxy(Some(few_anonymous())).await;
    let http = server.http();
    let forms = ["192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1:4711", "[::ffff:192.0.2.1]:4711"];
    let mut statuses = Vec::new();
    for form in forms.iter().cycle().take(20) {
        statuses.push(ask(&http, &[("x-forwarded-for", form)]).await.status);
    }
    assert!(statuses.iter().filter(|status| **status == 429).count() >= 10, "{statuses:?}");
    ask(&http, &[("x-forwarded-for", "::ffff:192.0.2.2")]).await.expect(202);
}

#[tokio::test]
async fn a_session_shows_where_its_login_came_from() {
    let server = behind_a_proxy(None).await;
    let ann = Person::register(&server, "ann").await;
    let login = server
        .http()
        .request(Method::POST, "/v1/sessions")
        .header("idempotency-key", Uuid::now_v7().to_string())
        .header("x-forwarded-for", "203.0.113.1")
        .header("x-forwarded-for", "203.0.113.2, ::ffff:192.0.2.1")
        .json(&json!({ "email": ann.email, "password": PASSWORD }));
    let login = send(login).await.expect(200);
    let http = server.http().with_token(login.json["access_token"].as_str().unwrap());
    server.settled().await;
    let sessions = http.get("/v1/me/sessions").await.expect(200).json;
    let addresses: Vec<_> = sessions["items"].as_array().unwrap().iter().map(|one| &one["ip"]).collect();
    assert!(addresses.contains(&&json!("192.0.2.1")), "{sessions}");
    assert!(!sessions.to_string().contains("203.0.113"), "{sessions}");
}
