//! The log gone, in every engine: requests are sent away with a time to come back, nothing is lost, and all goes on by itself.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use domain::conversation::ConversationEvent;
use domain::organization::OrganizationRole;
use domain::{Blob, ConversationId, Event, MessageId};
use envoi_client::api::dto::{NewGroup, Registration};
use envoi_client::live::{Incoming, Live};
use eventstore_schema::testing::{Engine, LogOptions};
use eventstore_schema::{ReadFilter, catalogue, over_engines};
use serde_json::json;
use tests::http::Http;
use tests::person::{PASSWORD, Person};
use tests::server::{Options, PATIENCE, TestServer, until};
use uuid::Uuid;

use crate::postgres::Postgres;

over_engines! {
    a_log_that_dies_under_load_takes_nothing_with_it,
    an_outage_of_the_log_is_told_and_survived,
}

/// People who write at once while the log comes and goes.
const WRITERS: usize = 6;
/// Acknowledged messages before it goes, and again after it came back.
const MESSAGES: usize = 40;
/// How long an append is tried before its caller is told; servers try longer, which a test would only wait for.
const LOG_PATIENCE: Duration = Duration::from_millis(500);
/// Between two tries of a message; clients wait longer.
const PAUSE: Duration = Duration::from_millis(20);

/// A server that soon gives up on a log that is gone.
async fn serve(postgres: &Postgres, engine: Engine) -> TestServer {
    let log = LogOptions { patience: Some(LOG_PATIENCE), ..LogOptions::default() };
    postgres.serve(Options { engine, log, ..Options::default() }).await
}

/// What takes the log away.
#[derive(Clone, Copy)]
enum End {
    InOrder,
    AtOnce,
}

/// Takes the log away. In PostgreSQL everything else goes with it; of EventStoreDB every connection is dropped either way.
async fn stop(postgres: &Postgres, server: &mut TestServer, end: End) {
    match (server.engine.double(), end) {
        (Some(double), _) => double.stop().await,
        (None, End::InOrder) => postgres.stop().await,
        (None, End::AtOnce) => postgres.stop_immediately().await,
    }
}

async fn start_again(postgres: &Postgres, server: &mut TestServer) {
    match server.engine.double() {
        Some(double) => double.start_again().await.unwrap(),
        None => postgres.start_again().await,
    }
}

async fn an_outage_of_the_log_is_told_and_survived(engine: Engine) {
    let postgres = Postgres::start().await;
    let mut server = serve(&postgres, engine).await;
    let http = Person::register(&server, "ann").await.http().await;
    http.post_keyed("/v1/organizations", &json!({ "name": "Before" }), "before").await.expect(201);
    server.settled().await;
    server.http().get("/health/ready").await.expect(200);

    stop(&postgres, &mut server, End::InOrder).await;
    let refused = http.post_keyed("/v1/organizations", &json!({ "name": "During" }), "during").await;
    let refused = refused.refused(503, "unavailable");
    assert!(refused.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0));
    // Without the log nobody knows whose session was ended: nobody is let in, even where the read models are there.
    http.get("/v1/organizations").await.refused(503, "unavailable");
    // What was found out a moment ago is told for a moment.
    let ready = until(async || {
        let ready = server.http().get("/health/ready").await;
        (ready.status == 503 && ready.json["parts"]["log"]["ready"] == false).then_some(())
    });
    ready.await;
    server.http().get("/health/live").await.expect(200);

    start_again(&postgres, &mut server).await;
    let body = json!({ "name": "During" });
    until(async || {
        let answer = http.post_keyed("/v1/organizations", &body, "during").await;
        (answer.status == 201).then_some(())
    })
    .await;
    until(async || (server.http().get("/health/ready").await.status == 200).then_some(())).await;
    let again =
        http.post_keyed("/v1/organizations", &json!({ "name": "Before" }), "before").await.expect(201);
    assert_eq!(again.header("idempotency-replayed"), "true");
    server.settled().await;
    let mine = http.get("/v1/organizations").await.expect(200);
    let mut names: Vec<_> =
        mine.json["items"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["Before", "During"]);
    drop(server);
    postgres.destroy().await;
}

/// What those who write have seen.
#[derive(Default)]
struct Seen {
    acknowledged: AtomicUsize,
    refused: AtomicUsize,
    stopped: AtomicBool,
}

/// Sends message after message until told to stop, each under its key until it is acknowledged; ids of all.
async fn persist(http: Http, group: ConversationId, seen: Arc<Seen>) -> Vec<MessageId> {
    let zeros = |bytes: usize| Blob::new(vec![0; bytes]);
    let cipher = json!({ "nonce": zeros(16), "commitment": zeros(32), "signature": zeros(64) });
    let body = json!({ "generation": 1, "content": zeros(64), "cipher": cipher });
    let path = format!("/v1/conversations/{group}/messages");
    let mut acknowledged = Vec::new();
    while !seen.stopped.load(Ordering::Acquire) {
        let id = MessageId::from(Uuid::now_v7());
        loop {
            let answer = http.post_keyed(&path, &body, &id.to_string()).await;
            if answer.status == 201 {
                break;
            }
            // What its first try left unanswered may still be under way.
            let (status, code) =
                if answer.status == 409 { (409, "in_progress") } else { (503, "unavailable") };
            let answer = answer.refused(status, code);
            assert!(answer.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0));
            seen.refused.fetch_add(1, Ordering::AcqRel);
            tokio::time::sleep(PAUSE).await;
        }
        seen.acknowledged.fetch_add(1, Ordering::AcqRel);
        acknowledged.push(id);
    }
    acknowledged
}

/// The next message that the socket tells of: its number and id. A socket may be cut and resumed, never reset.
async fn next_message(live: &mut Live) -> (u64, MessageId) {
    let next = async {
        loop {
            match live.next().await.expect("the stream goes on") {
                Incoming::Event(happening) => {
                    if let Event::Conversation(ConversationEvent::MessageSent(sent)) = &happening.event {
                        return (sent.number, sent.message_id);
                    }
                }
                Incoming::Connected | Incoming::Disconnected => {}
                other => panic!("{other:?}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, next).await.expect("messages come")
}

/// Messages of the log, in order.
async fn logged(server: &TestServer) -> Vec<(u64, MessageId)> {
    let filter = ReadFilter { event_types: vec!["conversation.message_sent"], ..ReadFilter::default() };
    let mut messages = Vec::new();
    let mut after = None;
    loop {
        let page = server.log.read_all(after, 1_000, &filter).await.unwrap();
        let Some(last) = page.last() else { return messages };
        after = Some(last.position);
        for recorded in &page {
            match catalogue::decode_recorded(recorded).unwrap() {
                Event::Conversation(ConversationEvent::MessageSent(sent)) => {
                    messages.push((sent.number, sent.message_id));
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

async fn a_log_that_dies_under_load_takes_nothing_with_it(engine: Engine) {
    let postgres = Postgres::start().await;
    let mut server = serve(&postgres, engine).await;
    let (ann, bob) = tokio::join!(Person::with_device(&server, "ann"), Person::with_device(&server, "bob"));
    let organization = ann.client.create_organization("Acme").await.unwrap();
    ann.bring(organization, &bob, OrganizationRole::Member).await;
    let new = NewGroup { members: vec![bob.id()], ..NewGroup::default() };
    let group = ann.client.create_group(organization, &new).await.unwrap();
    let mut live = bob.client.live(None);
    assert!(matches!(live.next().await, Some(Incoming::Connected)));
    let first = ann.client.send_text(group, "first").await.unwrap();
    let mut delivered = vec![next_message(&mut live).await];

    let (http, seen) = (ann.http().await, Arc::new(Seen::default()));
    let writers: Vec<_> =
        (0..WRITERS).map(|_| tokio::spawn(persist(http.clone(), group, Arc::clone(&seen)))).collect();
    let acknowledged = |more: usize| {
        let seen = &seen;
        let enough = seen.acknowledged.load(Ordering::Acquire) + more;
        until(async move || (seen.acknowledged.load(Ordering::Acquire) >= enough).then_some(()))
    };
    acknowledged(MESSAGES).await;
    // Somebody registers at the last moment: their e-mail is a reaction's doing.
    let late = format!("dan.{}@envoi.test", Uuid::now_v7().simple());
    let dan = Registration {
        email: late.clone(),
        password: PASSWORD.to_owned(),
        display_name: "dan".to_owned(),
        locale: None,
    };
    envoi_client::Server::new(&server.url()).unwrap().register(&dan).await.unwrap();

    stop(&postgres, &mut server, End::AtOnce).await;
    until(async || (seen.refused.load(Ordering::Acquire) >= WRITERS).then_some(())).await;
    let conversations = format!("/v1/organizations/{organization}/conversations");
    let refused = http.get(&conversations).await.refused(503, "unavailable");
    assert!(refused.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0));
    until(async || (server.http().get("/health/ready").await.status == 503).then_some(())).await;
    start_again(&postgres, &mut server).await;
    acknowledged(MESSAGES).await;
    seen.stopped.store(true, Ordering::Release);
    let mut told = HashSet::from([first.message_id]);
    for writer in writers {
        told.extend(writer.await.unwrap());
    }

    let logged = logged(&server).await;
    assert!(logged.iter().map(|(number, _)| *number).eq(1..=logged.len() as u64), "{logged:?}");
    assert_eq!(logged.iter().map(|(_, id)| *id).collect::<HashSet<_>>(), told);
    assert_eq!(logged.len(), told.len(), "a message is there twice");
    while delivered.len() < logged.len() {
        delivered.push(next_message(&mut live).await);
    }
    assert_eq!(delivered, logged, "the socket told something else than what happened");
    server.mailed_token(&late).await;
    Person::register(&server, "eve").await;
    server.settled().await;
    until(async || (server.http().get("/health/ready").await.status == 200).then_some(())).await;
    let (config, all) = (postgres.config(), projections::registry());
    let verified = projections::verify(&config, Arc::clone(&server.log), all, &|_| {}).await;
    for one in verified.unwrap() {
        assert!(one.is_equal(), "{one:#?}");
    }
    assert_eq!(http.get(&conversations).await.expect(200).json["items"][0]["last_number"], logged.len());
    drop(live);
    drop(server);
    postgres.destroy().await;
}
