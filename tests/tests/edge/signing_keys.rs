//! The key that signs access tokens is rotated while people are logged in.

use commands::auth::signing_keys;
use domain::Event;
use domain::operations::OperationsEvent;
use eventstore_schema::{ReadFilter, catalogue};
use serde_json::{Value, json};
use tests::person::{PASSWORD, Person};
use tests::server::{TestServer, until};

async fn published(server: &TestServer) -> Vec<Value> {
    let answer = server.http().get("/.well-known/jwks.json").await.expect(200);
    answer.json["keys"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_logged_out_by_a_rotation_and_stolen_keys_end() {
    let server = TestServer::start().await;
    let ann = Person::register(&server, "ann").await;
    let before = ann.http().await;
    let first = published(&server).await;
    let rotate = async |compromised| {
        let executor = &server.services.executor;
        signing_keys::rotate(executor, &server.keyring, &server.clock, compromised).await.unwrap()
    };
    assert_eq!(rotate(false).await, 2);
    // Nothing tells the server: it looks by itself.
    let both = until(async || Some(published(&server).await).filter(|keys| keys.len() == 2)).await;
    assert_eq!(both[0], first[0]);
    before.get("/v1/me").await.expect(200);

    assert_eq!(rotate(true).await, 3);
    let last = until(async || Some(published(&server).await).filter(|keys| keys.len() == 1)).await;
    assert!(!both.contains(&last[0]));
    before.get("/v1/me").await.refused(401, "unauthenticated");
    let login = json!({ "email": ann.email, "password": PASSWORD });
    let token = server.http().post("/v1/sessions", &login).await.expect(200).json["access_token"].clone();
    let now = server.http().with_token(token.as_str().unwrap());
    now.get("/v1/me").await.expect(200);

    let filter = ReadFilter { event_types: vec!["operations.signing_key_rotated"], ..ReadFilter::default() };
    let events = server.log.read_all(None, 10, &filter).await.unwrap();
    let told = events.iter().map(|event| match catalogue::decode_recorded(event).unwrap() {
        Event::Operations(OperationsEvent::SigningKeyRotated(it)) => (it.version, it.compromised),
        other => panic!("{other:?}"),
    });
    assert_eq!(told.collect::<Vec<_>>(), [(2, false), (3, true)]);
}
