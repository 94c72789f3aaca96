//! A log that is older than what the installation knows, or another one, takes no writes on any node until an operator decides.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that meets the unexpected fails"
)]

mod support;

use bytes::Bytes;
use domain::Category;
use eventstore_schema::StreamId;
use support::{Installation, Serving};
use uuid::Uuid;

/// Somebody asks a node to register them: the status and what it says.
fn asked(installation: &Installation, serving: &Serving, name: &str) -> (u16, String) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let body = serde_json::json!({
        "email": format!("{name}@envoi.test"), "password": support::PASSWORD, "display_name": name,
    });
    installation.block_on(async {
        let answer = reqwest::Client::new()
            .post(format!("{}/v1/accounts", serving.url()))
            .header("idempotency-key", name)
            .json(&body)
            .send()
            .await
            .unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    })
}

fn refuses(installation: &Installation, serving: &Serving) -> bool {
    let (status, body) = asked(installation, serving, "eve");
    let is_refused = status == 503 && body.contains("log_refused");
    assert!(status == 202 || is_refused, "{status} {body}");
    is_refused
}

/// Takes everything behind a position away, as a restore of the log alone does.
fn set_back(installation: &Installation, to: u64) {
    installation.sql(&format!(
        "SET session_replication_role = replica; \
         DELETE FROM log.events WHERE position > {to}; DELETE FROM log.commands WHERE position > {to}; \
         DELETE FROM log.streams WHERE position_min > {to}; \
         UPDATE log.streams SET position_max = {to}, revision = e.revision FROM ( \
             SELECT stream_id, category, max(revision) AS revision FROM log.events GROUP BY 1, 2) e \
         WHERE position_max > {to} AND e.stream_id = streams.id AND e.category = streams.category"
    ));
}

/// An installation with two nodes, of which one answers clients only, and where its log ended in between.
fn lived() -> (Installation, [Serving; 2], u64) {
    let installation = Installation::new();
    let nodes = [installation.node(), installation.serve("api")];
    installation.registers(&nodes[0], "ann");
    installation.eventually("she gets her mail", || installation.mails() == 1);
    let end = installation.block_on(installation.log.head()).unwrap().position.unwrap();
    installation.registers(&nodes[1], "bob");
    installation.eventually("he gets his mail", || installation.mails() == 2);
    installation.settled(installation.block_on(installation.log.head()).unwrap().position.unwrap());
    for node in &nodes {
        assert_eq!(installation.get(&format!("{}/health/ready", node.metrics)).0, 200);
    }
    // Each node has looked at what there is now.
    std::thread::sleep(std::time::Duration::from_secs(5));
    (installation, nodes, end.get())
}

fn doctor_says(installation: &Installation, what: &str) {
    let report = installation.runs(&["doctor", "--json"]).json();
    let findings = report["findings"].as_array().unwrap();
    let said = |one: &serde_json::Value| {
        one["part"] == "log" && one["state"] == "BAD" && one["found"].as_str().unwrap().contains(what)
    };
    assert!(findings.iter().any(said), "{what}: {report}");
}

#[test]
fn an_older_log_takes_no_writes_until_it_is_adopted() {
    let (installation, nodes, end) = lived();
    set_back(&installation, end);
    for node in &nodes {
        installation.eventually("a running node says so", || {
            let (status, body) = installation.get(&format!("{}/health/ready", node.metrics));
            status == 503 && body.contains("refused")
        });
        assert!(refuses(&installation, node));
        let metrics = installation.get(&format!("{}/metrics", node.metrics)).1;
        assert!(metrics.contains("envoi_log_refused 1"), "{metrics}");
    }
    doctor_says(&installation, "envoi log adopt");
    // One that starts now learns it from what others have left.
    let third = installation.serve("api");
    assert!(refuses(&installation, &third));
    let rebuild = installation.runs(&["reservations", "rebuild"]);
    assert!(rebuild.code != 0 && rebuild.stderr.contains("envoi log adopt"), "{}", rebuild.stderr);
    let [node, api] = nodes;
    for stopped in [node, third] {
        assert!(stopped.ends_when_asked());
    }

    // The one that answers clients only is not seen, and knows another log.
    installation.runs_as_owner(&["log", "adopt", "--yes"]).succeeded();
    installation.eventually("it says so", || {
        let (status, body) = asked(&installation, &api, "eve");
        status == 503 && body.contains("log_refused")
    });
    assert!(api.ends_when_asked());
    installation.runs(&["projections", "rebuild"]).succeeded();
    let node = installation.node();
    installation.registers(&node, "bob");
    installation.eventually("he gets his mail", || installation.mails() == 3);
    assert_eq!(
        installation.runs(&["reservations", "rebuild", "--json"]).succeeded().json()["reservations_restored"],
        0
    );
}

#[test]
fn a_log_that_went_another_way_takes_no_writes() {
    let (installation, nodes, end) = lived();
    drop(nodes);
    set_back(&installation, end);
    // As many other events as it had, and more.
    for n in 0..12_u128 {
        let stream = StreamId::new(Category::Session, Uuid::from_u128(n));
        installation.append(stream, "session.revoked", Bytes::from_static(b"x"));
    }
    let node = installation.serve("api");
    assert!(refuses(&installation, &node));
    doctor_says(&installation, "another");
}

#[test]
fn another_log_takes_no_writes() {
    let installation = Installation::new();
    let node = installation.node();
    installation.registers(&node, "ann");
    installation.eventually("she gets her mail", || installation.mails() == 1);
    installation.sql("UPDATE log.identity SET incarnation = gen_random_uuid()");
    installation.eventually("a running node refuses", || refuses(&installation, &node));
    drop(node);
    let node = installation.serve("api");
    assert!(refuses(&installation, &node));
    doctor_says(&installation, "the installation follows");
}

#[cfg(feature = "eventstoredb")]
#[test]
fn another_log_takes_no_writes_on_the_other_engine_either() {
    use eventstore_double::{Double, DoubleConfig};

    let installation = Installation::new();
    let over = |url: &str| {
        let url = url.to_owned();
        installation.serve_with("api,projector,reactor", move |command| {
            command.env("ENVOI_LOG", url);
        })
    };
    let first = installation.block_on(Double::start(DoubleConfig::default())).unwrap();
    let node = over(&first.url());
    installation.registers(&node, "ann");
    installation.eventually("she gets her mail", || installation.mails() == 1);
    drop(node);
    let second = installation.block_on(Double::start(DoubleConfig::default())).unwrap();
    let node = over(&second.url());
    assert!(refuses(&installation, &node));
    drop(node);
    // The one that is known takes them.
    let node = over(&first.url());
    installation.registers(&node, "bob");
    installation.eventually("he gets his mail", || installation.mails() == 2);
}
