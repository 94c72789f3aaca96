//! A process that leads and is suspended: another takes over, and what wakes later neither writes nor sends.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that meets the unexpected fails"
)]

mod support;

use eventstore_schema::{Position, ReadFilter};
use support::{Installation, Serving};

const LEADING: &str = "projector,reactor";

/// Whether a process leads every projection and every reaction.
fn leads_all(installation: &Installation, serving: &Serving) -> bool {
    let is_its = |holder: &serde_json::Value| {
        holder.as_str().is_some_and(|holder| holder.ends_with(&format!(":{}", serving.id())))
    };
    let led = |verb: &[&str], kind: &str, count: usize| {
        let told = installation.runs(&[verb, &["--json"]].concat()).succeeded().json();
        let all = told[kind].as_array().unwrap().clone();
        all.len() >= count && all.iter().all(|one| is_its(&one["led_by"]))
    };
    led(&["projections", "status"], "projections", projections::registry().len())
        && led(&["reactions"], "reactions", 1)
}

/// Waits until so many e-mails are sent and that is on record.
fn mailed(installation: &Installation, count: usize) {
    installation.eventually("the e-mail is sent", || installation.mails() >= count);
    let filter =
        ReadFilter { event_types: vec!["account.email_confirmation_requested"], ..ReadFilter::default() };
    let due = installation.block_on(installation.log.read_all(None, usize::MAX, &filter)).unwrap();
    let last = due.last().unwrap().position;
    installation.eventually("its reaction has passed", || {
        let told = installation.runs(&["reactions", "--json"]).succeeded().json();
        let all = told["reactions"].as_array().unwrap().clone();
        let mail = all.iter().find(|one| one["reaction"] == "account_mail").unwrap();
        mail["position"].as_u64().map(Position::new) >= Some(last)
    });
    assert_eq!(installation.mails(), count);
}

#[test]
fn a_suspended_leader_is_replaced_and_does_nothing_when_it_wakes() {
    let installation = Installation::new();
    let api = installation.serve("api");
    let first = installation.serve(LEADING);
    installation.eventually("the first leads", || leads_all(&installation, &first));
    installation.registers(&api, "ann");
    mailed(&installation, 1);
    let second = installation.serve(LEADING);

    first.signal("STOP");
    installation.registers(&api, "bob");
    installation.eventually("the second leads", || leads_all(&installation, &second));
    mailed(&installation, 2);
    first.signal("CONT");
    installation.registers(&api, "cid");
    mailed(&installation, 3);
    assert!(leads_all(&installation, &second), "who woke has taken the lead from a healthy process");

    // It stands by as any other, and leads again when it is needed.
    second.kill();
    installation.eventually("the first leads again", || leads_all(&installation, &first));
    installation.registers(&api, "dan");
    mailed(&installation, 4);
    installation.settled(installation.block_on(installation.log.head()).unwrap().position.unwrap());
    let verified = installation.runs(&["projections", "verify", "--json"]).succeeded().json();
    assert_eq!(verified["equal"], true, "{verified}");
}

#[test]
fn every_role_tells_operators_how_it_is() {
    // Whoever installed one before is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let installation = Installation::new();
    let nodes = ["api", "projector", "reactor"].map(|role| installation.serve(role));
    for node in &nodes {
        installation.eventually("it is ready", || {
            let answer = reqwest::get(format!("{}/health/ready", node.metrics));
            installation.block_on(answer).is_ok_and(|answer| answer.status() == 200)
        });
        let metrics = installation.block_on(async {
            reqwest::get(format!("{}/metrics", node.metrics)).await.unwrap().text().await.unwrap()
        });
        assert!(metrics.contains("envoi_log_appends_total"), "{metrics}");
    }
}
