//! Whoever is not logged in does not learn whether an address is known: not by status, headers or body, whatever they send.

use std::collections::BTreeMap;

use eventstore_schema::ReadFilter;
use reqwest::Method;
use serde_json::{Value, json};
use tests::http::{Answer, send};
use tests::person::{PASSWORD, Person};
use tests::server::{TestServer, until};

/// Headers that differ from answer to answer.
const OWN: [&str; 2] = ["date", "x-request-id"];
/// What people are told who ask for a mail.
const ROUTES: [&str; 2] = ["/v1/accounts/resend-confirmation", "/v1/accounts/request-password-reset"];
const OTHER_PASSWORD: &str = "another long password";

/// What can be told apart in an answer.
type Shown = (u16, BTreeMap<String, String>, Value);

fn shown(answer: Answer) -> Shown {
    let text = |value: &reqwest::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = answer.headers.iter().map(|(name, value)| (name.to_string(), text(value)));
    let headers = headers.filter(|(name, _)| !OWN.contains(&name.as_str())).collect();
    let mut body = answer.json;
    if let Value::Object(members) = &mut body {
        members.remove("request_id");
    }
    (answer.status, headers, body)
}

/// A server with addresses that are confirmed, registered, registered twice, and unknown.
async fn addresses() -> (TestServer, [String; 4]) {
    let server = TestServer::start().await;
    let confirmed = Person::register(&server, "ann").await.email;
    let [unconfirmed, twice, unknown] =
        ["ben", "cleo", "nobody"].map(|name| confirmed.replacen("ann", name, 1));
    for (email, password) in [(&unconfirmed, PASSWORD), (&twice, PASSWORD), (&twice, OTHER_PASSWORD)] {
        server.http().post("/v1/accounts", &registration(email, password)).await.expect(202);
        server.mailed_token(email).await;
    }
    (server, [confirmed, unconfirmed, twice, unknown])
}

fn registration(email: &str, password: &str) -> Value {
    json!({ "email": email, "password": password, "display_name": "Eve" })
}

/// A request, then itself again, with another body under the same key, and against revisions that streams have and have not.
async fn asked(server: &TestServer, path: &str, body: &Value, other: &Value, key: &str) -> Vec<Shown> {
    let ask = async |body: String, revision: Option<&str>| {
        let request = server.http().request(Method::POST, path).header("idempotency-key", key);
        let request = request.header("content-type", "application/json").body(body);
        let request = match revision {
            Some(revision) => request.header("if-match", revision),
            None => request,
        };
        shown(send(request).await)
    };
    let (text, spaced) = (body.to_string(), format!(" {body}"));
    let mut answers = Vec::new();
    for (body, revision) in [
        (text.clone(), None),
        (text.clone(), None),
        (spaced, None),
        (other.to_string(), None),
        (text.clone(), Some("\"0\"")),
        (text.clone(), Some("\"99\"")),
        (text.clone(), Some("nothing")),
    ] {
        answers.push(ask(body, revision).await);
    }
    let at_once = futures_util::future::join_all((0..4).map(|_| ask(text.clone(), None))).await;
    answers.into_iter().chain(at_once).collect()
}

#[tokio::test]
async fn registering_and_asking_for_mails_is_answered_alike_whatever_the_address_is() {
    let (server, addresses) = addresses().await;
    let mut all = Vec::new();
    // One key for all of them: those of two people do not collide.
    for email in &addresses {
        let (body, other) = (registration(email, PASSWORD), registration(email, OTHER_PASSWORD));
        all.extend(asked(&server, "/v1/accounts", &body, &other, "key").await);
        for path in ROUTES {
            let body = json!({ "email": email });
            all.extend(asked(&server, path, &body, &body, "key").await);
        }
    }
    assert_eq!(all[0].0, 202);
    assert!(all.iter().all(|one| *one == all[0]), "{all:#?}");
    // What was asked for was done, behind the answers.
    let filter = ReadFilter { event_types: vec!["account.registered"], ..ReadFilter::default() };
    until(async || (server.log.read_all(None, 100, &filter).await.unwrap().len() == 4).then_some(())).await;
}

#[tokio::test]
async fn a_login_in_vain_is_answered_alike_whatever_the_address_is() {
    let (server, addresses) = addresses().await;
    let mut all = Vec::new();
    for (email, password) in addresses.iter().zip([OTHER_PASSWORD, PASSWORD, PASSWORD, PASSWORD]) {
        let body = json!({ "email": email, "password": password });
        let mut answers = asked(&server, "/v1/sessions", &body, &body, "key").await;
        // The tenth failure and those behind it are told to wait, likewise.
        answers.truncate(7);
        all.extend(answers);
    }
    assert_eq!((all[0].0, &all[0].2["code"]), (401, &json!("login_refused")));
    assert!(all.iter().all(|one| *one == all[0]), "{all:#?}");
}

#[tokio::test]
async fn a_token_works_once_and_a_repetition_is_answered_alike() {
    let (server, [confirmed, unconfirmed, ..]) = addresses().await;
    let http = server.http();
    let token = server.mailed_token(&unconfirmed).await;
    let confirm = async |key: &str, revision: &str| {
        let request = http.request(Method::POST, "/v1/accounts/confirm-email").header("idempotency-key", key);
        shown(send(request.header("if-match", revision).json(&json!({ "token": token }))).await)
    };
    let first = confirm("key", "\"99\"").await;
    assert_eq!(first.0, 204);
    assert_eq!(confirm("key", "\"0\"").await, first);
    assert_eq!(confirm("another", "\"0\"").await.2["code"], "token_invalid");
    let seen = server.mailed_token(&confirmed).await;
    http.post(ROUTES[1], &json!({ "email": confirmed })).await.expect(202);
    let token = until(async || {
        let token = server.mailed_token(&confirmed).await;
        (token != seen).then_some(token)
    })
    .await;
    let reset = async |key: &str, password: &str| {
        let body = json!({ "token": token, "password": password });
        shown(http.post_keyed("/v1/accounts/reset-password", &body, key).await)
    };
    assert_eq!(reset("key", OTHER_PASSWORD).await, first);
    assert_eq!(reset("key", OTHER_PASSWORD).await, first);
    // The same key with another password is another command, whose token was used.
    assert_eq!(reset("key", "a password that comes late").await.2["code"], "token_invalid");
}
