//! PostgreSQL gone: requests are sent away with a time to come back, nothing is lost, and all goes on by itself.

use eventstore_schema::cluster::{Cluster, ClusterConfig};
use serde_json::json;
use tests::person::Person;
use tests::server::{Options, TestServer, migrate, until};

const DATABASE: &str = "envoi";

async fn cluster(directory: &std::path::Path) -> Cluster {
    let config = ClusterConfig::new(directory);
    tokio::task::spawn_blocking(move || Cluster::start(config)).await.unwrap().unwrap()
}

#[tokio::test]
async fn an_outage_of_postgresql_is_told_and_survived() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("cluster");
    let first = cluster(&place).await;
    first.ensure_database(DATABASE).await.unwrap();
    let config = first.config(DATABASE);
    let mut client = eventstore_schema::database::connect(&config).await.unwrap();
    eventstore_schema::migrate(&mut client).await.unwrap();
    migrate(&mut client).await;
    drop(client);
    let server = TestServer::over(&config, Options::default()).await;
    let http = Person::register(&server, "ann").await.http().await;
    http.post_keyed("/v1/organizations", &json!({ "name": "Before" }), "before").await.expect(201);
    server.settled().await;
    server.http().get("/health/ready").await.expect(200);

    tokio::task::spawn_blocking(move || first.stop()).await.unwrap().unwrap();
    let refused = http.post_keyed("/v1/organizations", &json!({ "name": "During" }), "during").await;
    let refused = refused.refused(503, "unavailable");
    assert!(refused.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0));
    http.get("/v1/organizations").await.refused(503, "unavailable");
    let ready = server.http().get("/health/ready").await.expect(503);
    assert_eq!(ready.json["parts"]["log"]["ready"], false);
    server.http().get("/health/live").await.expect(200);

    let second = cluster(&place).await;
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
    tokio::task::spawn_blocking(move || second.destroy()).await.unwrap().unwrap();
}
