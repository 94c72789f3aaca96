//! The write side beside a log that was restored: as one that never knew what is lost.

use std::collections::BTreeMap;
use std::sync::Arc;

use eventstore_schema::ReadFilter;
use eventstore_schema::testing::Engine;
use zeroize::Zeroizing;

use super::watch::*;
use crate::Services;
use crate::reactions::{adopt, rebuild_indexes};
use crate::services::NewAccount;
use crate::services::tests::stage::*;

/// Every table of schema `write` that events make rows of.
const TABLES: [&str; 4] = [
    "conversation_members_by_account",
    "workspace_members_by_account",
    "sessions_by_account",
    "reservations",
];

/// All rows of these tables.
async fn rows(stage: &Stage) -> BTreeMap<&'static str, Vec<String>> {
    let client = stage.database.client().await;
    let mut all = BTreeMap::new();
    for table in TABLES {
        let sql = format!("SELECT t::text FROM write.{table} AS t ORDER BY 1");
        let rows = client.query(&sql, &[]).await.unwrap();
        all.insert(table, rows.iter().map(|row| row.get(0)).collect());
    }
    all
}

/// How many accounts are registered in the log.
async fn registered(stage: &Stage) -> usize {
    let filter = ReadFilter { event_types: vec!["account.registered"], ..ReadFilter::default() };
    stage.parts.log.read_all(None, 1_000, &filter).await.unwrap().len()
}

/// Somebody registers, which is done behind the answer.
async fn register(stage: &Stage, name: &str) {
    let new = NewAccount {
        email: format!("{name}@example.org"),
        password: Zeroizing::new("correct horse battery staple".to_owned()),
        display_name: name.to_owned(),
        locale: None,
    };
    let before = registered(stage).await;
    stage.services.accounts.register(&stage.by(CAROL, 9), new).await.unwrap();
    until("the registration is recorded", async || registered(stage).await > before).await;
}

/// People, sessions, memberships and a registration; of the later life one leaves, one joins, a session ends.
async fn live(stage: &Stage, is_later: bool) {
    if is_later {
        let group = stage.group(stage.organization(&[BOB, CAROL]).await, BOB, &[CAROL]).await;
        stage
            .services
            .conversations
            .remove_member(&stage.by(CAROL, 0), group, CAROL.account())
            .await
            .unwrap();
        stage.revoke(ALICE, 1).await;
        stage.log_in(BOB, 3, Some(BOB.device(0))).await;
        register(stage, "later").await;
        return;
    }
    for person in [ALICE, BOB, CAROL] {
        stage.enter(person).await;
    }
    stage.enroll(ALICE, 1).await;
    let organization = stage.organization(&[ALICE, BOB, CAROL]).await;
    let group = stage.group(organization, ALICE, &[BOB, CAROL]).await;
    stage.services.conversations.remove_member(&stage.by(BOB, 0), group, BOB.account()).await.unwrap();
    register(stage, "early").await;
    stage.group(organization, ALICE, &[BOB]).await;
}

/// Lets all reactions answer what there is.
async fn answered(stage: &Stage) {
    let (reactions, running) = start(stage);
    settled(stage, &reactions).await;
    running.stop().await;
}

/// Goes on with the log as it is, as `envoi log adopt` does.
async fn adopted(stage: &mut Stage) {
    // What the process knew of streams is of the future that is lost: servers are stopped.
    stage.services = Services::new(&stage.parts);
    let head = stage.parts.log.head().await.unwrap();
    adopt(&stage.parts.pool, head.incarnation, head.position).await.unwrap();
    rebuild_indexes(&stage.parts.pool, &*stage.parts.log, &|_| ()).await.unwrap();
    stage.services.accounts.rebuild_reservations(&|_| ()).await.unwrap();
    stage.services.accounts.remove_lost_reservations().await.unwrap();
}

#[tokio::test]
async fn nothing_is_left_of_events_that_are_lost() {
    let mut stage = Stage::new().await;
    live(&stage, false).await;
    answered(&stage).await;
    let log = Arc::clone(&stage.parts.log);
    let events = log.read_all(None, 10_000, &ReadFilter::all()).await.unwrap().len();
    let before = rows(&stage).await;
    assert!(
        before.iter().all(|(table, rows)| !rows.is_empty() || table.starts_with("workspace")),
        "{before:#?}"
    );

    live(&stage, true).await;
    answered(&stage).await;
    assert_ne!(rows(&stage).await, before);

    stage.faulty.restore(events);
    adopted(&mut stage).await;
    assert_eq!(rows(&stage).await, before, "as if the later events had never been");
    // Twice, as by somebody who did not see the answer.
    adopted(&mut stage).await;
    assert_eq!(rows(&stage).await, before);
}

#[tokio::test]
async fn what_is_lost_of_the_tables_and_what_does_not_belong_there_is_mended_on_every_engine() {
    for engine in Engine::ALL {
        let mut stage = Stage::over(engine).await;
        live(&stage, false).await;
        answered(&stage).await;
        let before = rows(&stage).await;
        let spoil = "DELETE FROM write.conversation_members_by_account; \
             UPDATE write.sessions_by_account SET device_id = gen_random_uuid(); \
             INSERT INTO write.sessions_by_account VALUES (gen_random_uuid(), gen_random_uuid(), NULL, 1); \
             DELETE FROM write.reservations; \
             INSERT INTO write.workspace_members_by_account VALUES (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 1); \
             INSERT INTO write.reservations VALUES (1, decode(repeat('ab', 32), 'hex'), gen_random_uuid())";
        stage.database.client().await.batch_execute(spoil).await.unwrap();
        adopted(&mut stage).await;
        assert_eq!(rows(&stage).await, before, "{engine:?}");
    }
}
