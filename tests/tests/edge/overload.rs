//! A full queue, over every engine of the log: who finds no place is sent away with a time to come back, and only what was acknowledged is in the log.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use domain::conversation::ConversationEvent;
use domain::{Blob, ConversationId, Event, MessageId};
use envoi_client::api::dto::NewGroup;
use eventstore_schema::testing::{Engine, LogOptions};
use eventstore_schema::{EventLog, ReadFilter, catalogue, over_engines};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tests::http::{Answer, Http};
use tests::person::Person;
use tests::server::{Options, TestServer, until};
use tokio::sync::mpsc;
use uuid::Uuid;

over_engines! {
    a_burst_beyond_the_queue_is_refused_in_part_and_loses_nothing,
}

/// Messages that the log of this server lets wait.
const APPENDS_MAX: usize = 8;
/// Each is a stream of its own, so that each has an append of its own under way.
const GROUPS: usize = 24;
const MESSAGES_PER_GROUP: usize = 3;
/// Holds up every append, as another node's batch does: the lock that `log.append` takes.
const HOLD: &str = "SELECT pg_advisory_lock(7163384699741798250)";
const LET_GO: &str = "SELECT pg_advisory_unlock(7163384699741798250)";
/// The same over EventStoreDB: each answer comes so much later.
const STANDSTILL: Duration = Duration::from_secs(1);

/// Lets the log stand still, or go on. In PostgreSQL the connection holds it.
async fn stand_still(server: &mut TestServer, database: &tokio_postgres::Client, still: bool) {
    match server.engine.double() {
        Some(double) => double.faults().delay_answers(still.then_some(STANDSTILL)),
        None => database.batch_execute(if still { HOLD } else { LET_GO }).await.unwrap(),
    }
}

async fn send(http: &Http, group: ConversationId, id: MessageId) -> Answer {
    let zeros = |bytes: usize| Blob::new(vec![0; bytes]);
    let cipher = json!({ "nonce": zeros(16), "commitment": zeros(32), "signature": zeros(64) });
    let body = json!({ "generation": 1, "content": zeros(64), "cipher": cipher });
    http.post_keyed(&format!("/v1/conversations/{group}/messages"), &body, &id.to_string()).await
}

/// Ids of all messages in the log but the groups' first, each as often as it is there; numbers are contiguous.
async fn messages(log: &dyn EventLog) -> Vec<MessageId> {
    let filter = ReadFilter { event_types: vec!["conversation.message_sent"], ..ReadFilter::default() };
    let events = log.read_all(None, 10_000, &filter).await.unwrap();
    let mut last: HashMap<_, u64> = HashMap::new();
    let mut ids = Vec::new();
    for recorded in events {
        let Ok(Event::Conversation(ConversationEvent::MessageSent(sent))) =
            catalogue::decode_recorded(&recorded)
        else {
            panic!("{recorded:?}")
        };
        let number = last.entry(recorded.stream).or_default();
        *number += 1;
        assert_eq!(sent.number, *number);
        if sent.number > 1 {
            ids.push(sent.message_id);
        }
    }
    ids
}

async fn a_burst_beyond_the_queue_is_refused_in_part_and_loses_nothing(engine: Engine) {
    let options = Options {
        engine,
        log: LogOptions { waiting_max: Some(APPENDS_MAX), ..LogOptions::default() },
        ..Options::default()
    };
    let mut server = TestServer::start_with(options).await;
    let ann = Person::with_device(&server, "ann").await;
    let organization = ann.client.create_organization("Acme").await.unwrap();
    let mut groups = Vec::new();
    for _ in 0..GROUPS {
        let group = ann.client.create_group(organization, &NewGroup::default()).await.unwrap();
        ann.client.send_text(group, "first").await.unwrap();
        groups.push(group);
    }
    let http = ann.http().await;

    let database = server.database().await;
    stand_still(&mut server, &database, true).await;
    let (told, mut answers) = mpsc::unbounded_channel();
    for group in groups.iter().copied().cycle().take(GROUPS * MESSAGES_PER_GROUP) {
        let (http, told) = (http.clone(), told.clone());
        let id = MessageId::from(Uuid::now_v7());
        tokio::spawn(async move { told.send((group, id, send(&http, group, id).await)) });
    }
    drop(told);
    // Nobody is acknowledged while the log stands still, and those without a place hear so at once.
    let first = until(async || answers.try_recv().ok()).await;
    // EventStoreDB does not stand still, it takes its time: there somebody may be served after that.
    let may_be_served = engine == Engine::EventStoreDb && first.2.status == 201;
    assert!(first.2.status == 503 || may_be_served, "{}", first.2.json);
    stand_still(&mut server, &database, false).await;
    let mut all = vec![first];
    while let Some(answer) = answers.recv().await {
        all.push(answer);
    }
    let (acknowledged, refused): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|(_, _, answer)| answer.status == 201);
    assert_eq!(acknowledged.len() + refused.len(), GROUPS * MESSAGES_PER_GROUP);
    // Over EventStoreDB nothing can be read either while it stands still: there all may have been given up.
    assert!(!acknowledged.is_empty() || engine == Engine::EventStoreDb, "nobody got through");
    let refused: Vec<_> = refused
        .into_iter()
        .map(|(group, id, answer)| {
            // Given up where the machine, or EventStoreDB, takes longer than a request may.
            let is_unknown = answer.json["code"] == "unavailable";
            let answer = answer.refused(503, if is_unknown { "unavailable" } else { "overloaded" });
            assert!(answer.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0));
            (group, id, is_unknown)
        })
        .collect();
    let recorded = messages(&*server.log).await;
    let there: HashSet<MessageId> = recorded.iter().copied().collect();
    assert_eq!(there.len(), recorded.len(), "something is there twice");
    assert!(
        acknowledged.iter().all(|(_, id, _)| there.contains(id)),
        "somebody was told of what is not there"
    );
    let not_there = refused.iter().filter(|(_, _, is_unknown)| !is_unknown);
    assert!(not_there.clone().all(|(_, id, _)| !there.contains(id)), "somebody was refused what is there");

    // Under the same key everybody gets through in the end, once.
    let persist = |(group, id, _): &(ConversationId, MessageId, bool)| {
        let (http, group, id) = (http.clone(), *group, *id);
        async move { until(async || (send(&http, group, id).await.status == 201).then_some(())).await }
    };
    join_all(refused.iter().map(persist)).await;
    let sent = acknowledged.iter().map(|(group, id, _)| (*group, *id));
    let (group, id) =
        sent.chain(refused.iter().map(|(group, id, _)| (*group, *id))).next().expect("a message");
    let again = send(&http, group, id).await.expect(201);
    assert_eq!(again.header("idempotency-replayed"), "true");
    let there = messages(&*server.log).await;
    assert_eq!(there.len(), GROUPS * MESSAGES_PER_GROUP);
    assert_eq!(there.into_iter().collect::<HashSet<_>>().len(), GROUPS * MESSAGES_PER_GROUP);
    server.settled().await;
    let path = format!("/v1/conversations/{}/messages", groups[0]);
    let read: Value = http.get(&path).await.expect(200).json;
    assert_eq!(read["items"].as_array().unwrap().len(), MESSAGES_PER_GROUP + 1);
}
