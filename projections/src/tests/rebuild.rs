//! Rebuilding beside readers and leaders.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use domain::OrganizationId;
use eventstore_schema::database::Role;
use eventstore_schema::over_engines;

use super::*;
use crate::{Page, Reader, Viewer, organizations, rebuild};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_see_every_moment_and_no_failure_while_generations_are_switched() {
    let mut bench = Bench::new(31).await;
    bench.world.live(120).await;
    let projections = bench.start().await;
    projections.wait_for_all(bench.head(), PATIENCE).await.expect("all follow");
    let (organization_id, organization) = bench.world.organizations().next().expect("an organization");
    let (account_id, _) = organization.members().next().expect("a member");
    let viewer = Viewer { account_id, organization_id: Some(organization_id) };
    let reader = Reader::new(bench.database.pool(Role::Reader));
    let (stop, answers) = (AtomicBool::new(false), AtomicU64::new(0));
    let reading = async {
        while !stop.load(Ordering::Relaxed) {
            let page: Page<OrganizationId> = Page::new(None, 10);
            let mine = organizations::queries::mine(&reader, &viewer, page).await.expect("an answer");
            assert!(mine.iter().any(|one| one.organization_id == organization_id), "no moment without rows");
            answers.fetch_add(1, Ordering::Relaxed);
        }
    };
    let rebuilding = async {
        for _ in 0..4 {
            rebuild(&bench.config(), bench.log(), registry(), &|_| {}).await.expect("rebuilt");
        }
        stop.store(true, Ordering::Relaxed);
    };
    tokio::join!(reading, rebuilding);
    assert!(answers.load(Ordering::Relaxed) > 0);

    bench.world.live(20).await;
    projections.wait_for_all(bench.head(), PATIENCE).await.expect("the leaders go on in the new tables");
    let status = crate::status(&bench.config(), &*bench.log).await.expect("a status");
    assert!(status.iter().all(|one| one.generation == 5), "{status:#?}");
    let admin = bench.database.client().await;
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'rm\\_%'";
    let schemas: i64 = admin.query_one(schemas, &[]).await.expect("a count").get(0);
    assert_eq!(usize::try_from(schemas), Ok(registry().len()), "earlier generations are gone");
}

over_engines! {
    progress_is_reported_up_to_the_end,
}

async fn progress_is_reported_up_to_the_end(engine: Engine) {
    let mut bench = Bench::over(engine, 32).await;
    bench.world.live(100).await;
    let reports = Mutex::new(Vec::new());
    let report = |progress| reports.lock().expect("reports").push(progress);
    let rebuilt = rebuild(&bench.config(), bench.log(), registry(), &report).await.expect("rebuilt");
    let last = *reports.lock().expect("reports").last().expect("a report");
    assert_eq!((last.events, last.events_total), (rebuilt.events, rebuilt.events));
    assert_eq!(last.remaining, Duration::ZERO);
    assert_eq!(rebuilt.generations.len(), registry().len());
}

#[tokio::test]
async fn a_changed_row_is_found_and_named() {
    let mut bench = Bench::new(33).await;
    bench.world.live(100).await;
    let projections = bench.start().await;
    projections.wait_for_all(bench.head(), PATIENCE).await.expect("all follow");
    let admin = bench.database.client().await;
    let change =
        "UPDATE rm_accounts_1.user_security_states SET failures = failures + 1 WHERE account_id = $1";
    let account_id = *bench.world.accounts().first().expect("an account");
    assert_eq!(admin.execute(change, &[&account_id.as_uuid()]).await.expect("a changed row"), 1);
    let accounts = registry().into_iter().filter(|one| one.name() == "accounts").collect();
    let verified = crate::verify(&bench.config(), bench.log(), accounts, &|_| {}).await.expect("verified");
    let differing: Vec<_> = verified
        .iter()
        .flat_map(|one| &one.tables)
        .filter(|table| table.live != table.rebuilt)
        .map(|table| (table.table, table.differing.clone()))
        .collect();
    assert_eq!(differing, [("user_security_states", vec![account_id.to_string()])]);
}

#[tokio::test]
async fn tables_of_another_shape_are_filled_anew_at_start() {
    let mut bench = Bench::new(34).await;
    bench.world.live(60).await;
    let projections = bench.start().await;
    projections.wait_for_all(bench.head(), PATIENCE).await.expect("all follow");
    drop(projections);
    let admin = bench.database.client().await;
    for table in ["checkpoints", "uses"] {
        let age =
            format!("UPDATE projection.{table} SET fingerprint = sha256(fingerprint) WHERE name = 'devices'");
        assert_eq!(admin.execute(&age, &[]).await.expect("an older shape"), 1);
    }
    let projections = bench.start().await;
    eventually(async || {
        let status = crate::status(&bench.config(), &*bench.log).await.expect("a status");
        status
            .iter()
            .any(|one| one.projection == "devices" && one.generation == 2 && one.state == "following")
    })
    .await;
    drop(projections);
}
