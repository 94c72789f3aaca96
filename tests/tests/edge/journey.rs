//! One journey over every engine of the log: people meet, talk, lose their connections, and hear what they missed.

use domain::organization::OrganizationRole;
use envoi_client::api::dto::NewGroup;
use envoi_client::e2ee::Content;
use envoi_client::http::Position;
use envoi_client::live::{Incoming, Live};
use envoi_client::messages::Body;
use eventstore_schema::over_engines;
use eventstore_schema::testing::Engine;
use tests::person::Person;
use tests::server::{PATIENCE, TestServer, until};

over_engines! {
    health_and_metrics_name_the_engine,
    what_was_missed_is_heard_after_connections_were_cut,
}

/// The next text that the socket tells of, and where to resume behind it. The socket is never reset.
async fn next_text(live: &mut Live) -> (String, Position) {
    let next = async {
        loop {
            match live.next().await.expect("the stream goes on") {
                Incoming::Event(happening) => {
                    if let Some(Body::Encrypted { content: Content::Text { text }, .. }) = happening.body {
                        return (text, happening.cursor);
                    }
                }
                Incoming::Connected | Incoming::Disconnected => {}
                other => panic!("{other:?}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, next).await.expect("messages come")
}

async fn what_was_missed_is_heard_after_connections_were_cut(engine: Engine) {
    let server = TestServer::start_over(engine).await;
    let (ann, bob) = tokio::join!(Person::with_device(&server, "ann"), Person::with_device(&server, "bob"));
    let organization = ann.client.create_organization("Acme").await.unwrap();
    ann.bring(organization, &bob, OrganizationRole::Member).await;
    let new = NewGroup { members: vec![bob.id()], ..NewGroup::default() };
    let group = ann.client.create_group(organization, &new).await.unwrap();
    let mut live = bob.client.live(None);
    assert!(matches!(live.next().await, Some(Incoming::Connected)));
    let (mut heard, mut cursor) = (Vec::new(), None);
    for text in ["one", "two"] {
        ann.client.send_text(group, text).await.unwrap();
        let (text, at) = next_text(&mut live).await;
        heard.push(text);
        cursor = Some(at);
    }

    // His connection goes, then the server's to its log, and talk goes on.
    drop(live);
    ann.client.send_text(group, "three").await.unwrap();
    server.engine.cut_connections().await;
    until(async || (server.http().get("/health/ready").await.status == 200).then_some(())).await;
    ann.client.send_text(group, "four").await.unwrap();
    let mut live = bob.client.live(cursor);
    for _ in 0..2 {
        heard.push(next_text(&mut live).await.0);
    }
    // He is still there when it goes again.
    server.engine.cut_connections().await;
    until(async || ann.client.send_text(group, "five").await.ok()).await;
    heard.push(next_text(&mut live).await.0);
    assert_eq!(heard, ["one", "two", "three", "four", "five"]);

    bob.client.record_receipt(group, 5, 5).await.unwrap();
    server.settled().await;
    let read = bob.client.latest(group, 10).await.unwrap();
    let numbers: Vec<u64> = read.iter().map(|message| message.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
}

async fn health_and_metrics_name_the_engine(engine: Engine) {
    let server = TestServer::start_over(engine).await;
    let name = match engine {
        Engine::Postgres => "postgres",
        Engine::EventStoreDb => "eventstoredb",
    };
    Person::register(&server, "ann").await;
    let ready = server.http().get("/health/ready").await.expect(200).json;
    assert_eq!(ready["parts"]["log"]["engine"], name, "{ready}");
    let metrics = server.internal().request(reqwest::Method::GET, "/metrics").send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    let written = metrics.lines().find_map(|line| {
        line.strip_prefix("envoi_log_events_total")?.strip_prefix(&format!("{{engine=\"{name}\"}} "))
    });
    assert!(written.is_some_and(|count| count.parse::<u64>().is_ok_and(|count| count > 0)), "{metrics}");
    assert!(metrics.contains(&format!("envoi_log_appends_total{{engine=\"{name}\",outcome=\"written\"}}")));
}
