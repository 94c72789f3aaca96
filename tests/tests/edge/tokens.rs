//! Access and refresh tokens: only what this server issued, unexpired, of a session that lives.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use commands::auth::access_token::ACCESS_TOKEN_SECONDS;
use commands::clock::Clock;
use eventstore_schema::keyring::Secret;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tests::http::Http;
use tests::person::{PASSWORD, Person};
use tests::server::{ISSUER, Options, START, TestServer};

/// PKCS#8 (RFC 8410) of an Ed25519 private key, up to its seed.
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

async fn manual() -> TestServer {
    TestServer::start_with(Options { clock: Some(Clock::manual(START)), ..Options::default() }).await
}

async fn log_in(server: &TestServer, person: &Person) -> Value {
    let body = json!({ "email": person.email, "password": PASSWORD });
    server.http().post("/v1/sessions", &body).await.expect(200).json
}

async fn asks(server: &TestServer, token: &str) -> tests::http::Answer {
    server.http().with_token(token).get("/v1/me").await
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_request_without_token_or_with_another_scheme_is_refused() {
    let server = TestServer::start().await;
    let answer = server.http().get("/v1/me").await.refused(401, "unauthenticated");
    assert!(answer.header("www-authenticate").starts_with("Bearer"));
    let basic = server.http().request(reqwest::Method::GET, "/v1/me").basic_auth("ann", Some("x"));
    tests::http::send(basic).await.refused(401, "unauthenticated");
    server.http().get("/v1/me?access_token=x").await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn an_expired_token_is_refused() {
    let server = manual().await;
    let ann = Person::register(&server, "ann").await;
    let tokens = log_in(&server, &ann).await;
    let token = text(&tokens, "access_token");
    assert_eq!(tokens["expires_in"], ACCESS_TOKEN_SECONDS);
    server.settled().await;
    server.clock.advance_seconds(ACCESS_TOKEN_SECONDS - 1);
    asks(&server, &token).await.expect(200);
    server.clock.advance_seconds(1);
    asks(&server, &token).await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn only_tokens_that_this_server_signed_are_taken() {
    let server = manual().await;
    let ann = Person::register(&server, "ann").await;
    let token = text(&log_in(&server, &ann).await, "access_token");
    let keys = server.http().get("/.well-known/jwks.json").await.expect(200).json;
    let public = BASE64URL.decode(text(&keys["keys"][0], "x")).unwrap();
    let seed = server.keyring.named_secret(Secret::AccessTokenSigning).await.unwrap();
    let part = |index: usize| -> Value {
        serde_json::from_slice(&BASE64URL.decode(token.split('.').nth(index).unwrap()).unwrap()).unwrap()
    };
    let claims = part(1);
    assert_eq!(claims["iss"], ISSUER);
    let signed = |algorithm, claims: &Value, key: &EncodingKey| {
        let kid = part(0)["kid"].as_str().map(str::to_owned);
        jsonwebtoken::encode(&Header { kid, ..Header::new(algorithm) }, claims, key).unwrap()
    };
    let key = |seed: &[u8]| EncodingKey::from_ed_der(&[&PKCS8_PREFIX[..], seed].concat());
    let ours = key(&seed[..]);
    server.settled().await;
    asks(&server, &signed(Algorithm::EdDSA, &claims, &ours)).await.expect(200);

    let changed = |name: &str, value: Value| {
        let mut changed = claims.clone();
        changed[name] = value;
        signed(Algorithm::EdDSA, &changed, &ours)
    };
    let unsigned =
        format!("{}.{}.", BASE64URL.encode(r#"{"alg":"none"}"#), BASE64URL.encode(claims.to_string()));
    let refused = [
        signed(Algorithm::EdDSA, &claims, &key(&[7; 32])),
        signed(Algorithm::HS256, &claims, &EncodingKey::from_secret(&public)),
        changed("exp", claims["exp"].to_string().into()),
        changed("iss", "https://elsewhere.test".into()),
        changed("aud", "elsewhere".into()),
        changed("sid", uuid::Uuid::now_v7().to_string().into()),
        unsigned,
        token.replacen('.', "", 1),
        "x".repeat(5_000),
    ];
    for token in refused {
        asks(&server, &token).await.refused(401, "unauthenticated");
    }
}

#[tokio::test]
async fn a_refresh_token_is_exchanged_once_and_an_older_one_ends_the_session() {
    let server = TestServer::start().await;
    let ann = Person::register(&server, "ann").await;
    let http = server.http();
    let refresh =
        async |token: &str| http.post("/v1/sessions/refresh", &json!({ "refresh_token": token })).await;
    let first = text(&log_in(&server, &ann).await, "refresh_token");
    let second = text(&refresh(&first).await.expect(200).json, "refresh_token");
    // The answer was lost: the same exchange again gives the same successor.
    assert_eq!(text(&refresh(&first).await.expect(200).json, "refresh_token"), second);
    let third = refresh(&second).await.expect(200).json;
    refresh(&first).await.refused(401, "refresh_refused");
    refresh(&text(&third, "refresh_token")).await.refused(401, "refresh_refused");
    asks(&server, &text(&third, "access_token")).await.refused(401, "unauthenticated");
    refresh("nonsense").await.refused(401, "refresh_refused");
}

#[tokio::test]
async fn a_session_that_is_ended_is_refused_at_once() {
    let server = TestServer::start().await;
    let ann = Person::register(&server, "ann").await;
    let (here, there) = (log_in(&server, &ann).await, log_in(&server, &ann).await);
    let (here_token, there_token) = (text(&here, "access_token"), text(&there, "access_token"));
    server.settled().await;
    let http: Http = server.http().with_token(&here_token);
    let sessions = http.get("/v1/me/sessions").await.expect(200).json;
    assert_eq!(sessions["items"].as_array().unwrap().len(), 3);
    http.delete(&format!("/v1/me/sessions/{}", text(&there, "session_id"))).await.expect(204);
    asks(&server, &there_token).await.refused(401, "unauthenticated");
    asks(&server, &here_token).await.expect(200);
    http.post("/v1/sessions/logout", &json!({})).await.expect(204);
    asks(&server, &here_token).await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn a_session_of_somebody_else_is_not_found() {
    let server = TestServer::start().await;
    let (ann, eve) = tokio::join!(Person::register(&server, "ann"), Person::register(&server, "eve"));
    let session = text(&log_in(&server, &ann).await, "session_id");
    let answer = eve.http().await.delete(&format!("/v1/me/sessions/{session}")).await;
    answer.refused(404, "session_not_found");
}

#[tokio::test]
async fn a_revoked_device_is_refused_at_once() {
    let server = TestServer::start().await;
    let ann = Person::with_device(&server, "ann").await;
    let on_device = ann.http().await;
    let elsewhere = server.http().with_token(&text(&log_in(&server, &ann).await, "access_token"));
    let path = format!("/v1/me/devices/{}/revoke", ann.client.device_id().unwrap());
    elsewhere.post(&path, &json!({ "cause": "lost" })).await.expect(204);
    on_device.get("/v1/me").await.refused(401, "unauthenticated");
    elsewhere.get("/v1/me").await.expect(200);
}
