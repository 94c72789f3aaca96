//! Two releases over one database: clients go on at the old one until the new one's read models are complete.

use serde_json::json;
use tests::person::Person;
use tests::server::{Options, TestServer, until};

async fn readiness(server: &TestServer) -> (u16, String) {
    let answer = server.http().get("/health/ready").await;
    (answer.status, answer.json["parts"]["projection:organizations"]["state"].to_string())
}

#[tokio::test]
async fn a_node_of_a_new_release_is_not_ready_until_its_read_models_are_complete() {
    let old = TestServer::start().await;
    let ann = Person::register(&old, "ann").await;
    let acme = json!({ "name": "Acme" });
    ann.http().await.post("/v1/organizations", &acme).await.expect(201);
    old.settled().await;

    // The first to switch waits for this; the checkpoints of the old release are moved on meanwhile by nobody.
    let admin = old.database().await;
    admin.batch_execute("BEGIN; LOCK TABLE projection.checkpoints IN EXCLUSIVE MODE").await.unwrap();
    let new = old.another_with(Options { edition: 1, at_once: true, ..Options::default() }).await;
    until(async || {
        let (status, state) = readiness(&new).await;
        (status == 503 && state == "\"rebuilding\"").then_some(())
    })
    .await;
    let there = ann.http_at(&new).await;
    there.get("/v1/organizations").await.expect(503);
    assert_eq!(readiness(&old).await.0, 200);
    ann.http().await.get("/v1/organizations").await.expect(200);

    admin.batch_execute("ROLLBACK").await.unwrap();
    until(async || (readiness(&new).await.0 == 200).then_some(())).await;
    let shown = there.get("/v1/organizations").await.expect(200);
    assert_eq!(shown.json["items"].as_array().map(Vec::len), Some(1));

    // What is written at one is read at the other, both ways.
    for (writes, reads) in [(&old, &new), (&new, &old)] {
        let written = ann.http_at(writes).await.post("/v1/organizations", &acme).await.expect(201);
        let path = format!("/v1/organizations/{}", written.json["organization_id"].as_str().unwrap());
        reads.settled().await;
        ann.http_at(reads).await.get(&path).await.expect(200);
    }
}
