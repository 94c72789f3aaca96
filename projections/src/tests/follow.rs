//! Following the log: batches, restarts, leaders, outages.

use eventstore_schema::over_engines;

use super::*;
use crate::distance::events_after;
use crate::{LAG_EVENTS_MAX, WaitError, rebuild, verify};

over_engines! {
    a_log_that_is_another_one_is_not_followed_until_a_rebuild_says_so,
    a_log_with_another_event_at_the_checkpoint_is_not_followed,
    the_lag_counts_events_whatever_positions_say,
}

/// Follows a random history in random steps, with restarts in between, and compares with what a rebuild gives.
async fn live_equals_rebuilt(engine: Engine, seed: u64) {
    let mut bench = Bench::over(engine, seed).await;
    let mut projections = bench.start().await;
    for step in 0..6u64 {
        let commands = 1 + usize::try_from((seed >> (step * 8)) % 60).expect("a number");
        bench.world.live(commands).await;
        if (seed >> step) & 1 == 1 {
            drop(projections);
            projections = bench.start().await;
        }
    }
    projections.wait_for_all(bench.head(), PATIENCE).await.expect("all follow");
    let none_parked = crate::parked(&bench.config()).await.expect("what is parked");
    assert_eq!(none_parked, [], "seed {seed}");
    for verified in verify(&bench.config(), bench.log(), registry(), &|_| {}).await.expect("verified") {
        assert!(verified.is_equal(), "seed {seed}: {verified:#?}");
    }
    let before = bench.digests().await;
    drop(projections);
    rebuild(&bench.config(), bench.log(), registry(), &|_| {}).await.expect("rebuilt");
    let after = bench.digests().await;
    let tables =
        |all: Vec<(_, Vec<TableDigest>)>| all.into_iter().flat_map(|(_, tables)| tables).collect::<Vec<_>>();
    assert_eq!(tables(before), tables(after), "seed {seed}");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(4))]

    #[test]
    fn following_in_random_batches_with_restarts_equals_rebuilding(seed: u64) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        for engine in Engine::ALL {
            runtime.block_on(live_equals_rebuilt(engine, seed));
        }
    }
}

#[tokio::test]
async fn event_by_event_equals_all_at_once() {
    let mut bench = Bench::new(7).await;
    let projections = bench.start().await;
    for _ in 0..150 {
        bench.world.live(1).await;
        projections.wait_for_all(bench.head(), PATIENCE).await.expect("all follow");
    }
    for verified in verify(&bench.config(), bench.log(), registry(), &|_| {}).await.expect("verified") {
        assert!(verified.is_equal(), "{verified:#?}");
    }
}

#[tokio::test]
async fn another_process_takes_over_when_the_leader_dies() {
    let mut bench = Bench::new(1).await;
    bench.world.live(50).await;
    let first = bench.start().await;
    first.wait_for_all(bench.head(), PATIENCE).await.expect("the first leads");
    let second = bench.start().await;
    wait_for_state(&second, "organizations", State::Standby).await;
    second.wait_for_all(bench.head(), PATIENCE).await.expect("a stand-by sees where the leader is");
    drop(first);
    bench.world.live(50).await;
    second.wait_for_all(bench.head(), PATIENCE).await.expect("the second leads");
    wait_for_state(&second, "organizations", State::Following).await;
}

#[tokio::test]
async fn a_process_that_does_not_lead_can_wait_for_one_that_does() {
    let mut bench = Bench::new(2).await;
    let watcher = bench.start_with(registry(), false).await;
    let leader = bench.start().await;
    bench.world.live(30).await;
    watcher.wait_for_all(bench.head(), PATIENCE).await.expect("the watcher sees it");
    wait_for_state(&watcher, "accounts", State::Standby).await;
    drop(leader);
}

#[tokio::test]
async fn waiting_is_bounded_in_time_and_knows_its_projections() {
    let bench = Bench::new(3).await;
    let projections = bench.start().await;
    let (soon, never) = (Duration::from_millis(20), Position::new(1 << 40));
    assert_eq!(projections.wait_for("accounts", never, soon).await, Err(WaitError::Timeout));
    let unknown = projections.wait_for("nothing", never, soon).await;
    assert_eq!(unknown, Err(WaitError::Unknown("nothing".to_owned())));
}

#[tokio::test]
async fn lost_connections_heal_by_themselves() {
    let mut bench = Bench::new(4).await;
    let projections = bench.start().await;
    bench.world.live(40).await;
    projections.wait_for_all(bench.head(), PATIENCE).await.expect("all follow");
    let admin = bench.database.client().await;
    for _ in 0..3 {
        let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()";
        admin.query(kill, &[]).await.expect("connections are cut");
        bench.world.live(20).await;
        projections.wait_for_all(bench.head(), PATIENCE).await.expect("all follow again");
    }
    bench.memory.faults().fail_reads(true);
    bench.world.live(20).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    bench.memory.faults().fail_reads(false);
    projections.wait_for_all(bench.head(), PATIENCE).await.expect("all follow the log again");
    for verified in verify(&bench.config(), bench.log(), registry(), &|_| {}).await.expect("verified") {
        assert!(verified.is_equal(), "{verified:#?}");
    }
}

#[tokio::test]
async fn a_table_that_is_gone_is_told_until_it_is_made_anew() {
    let mut bench = Bench::new(7).await;
    bench.world.live(40).await;
    let projections = bench.start().await;
    projections.wait_for_all(bench.head(), PATIENCE).await.expect("all follow");
    let admin = bench.database.client().await;
    admin.batch_execute("DROP TABLE rm_devices_1.devices CASCADE").await.expect("dropped");
    bench.world.live(60).await;
    wait_for_state(&projections, "devices", State::Failing).await;
    wait_for_state(&projections, "accounts", State::Following).await;
    eventually(async || {
        let status = crate::status(&bench.config(), &*bench.log).await.expect("a status");
        let devices = status.iter().find(|one| one.projection == "devices").expect("its status");
        let error = devices.error.as_deref().unwrap_or_default();
        devices.state == "failing"
            && error.contains("rm_devices_1.devices is gone: `envoi projections rebuild`")
    })
    .await;
    let (_, differences) = crate::differences(&bench.config())
        .await
        .expect("compared")
        .into_iter()
        .find(|(name, _)| *name == "devices")
        .expect("its relations");
    assert!(!differences.is_empty());

    rebuild(&bench.config(), bench.log(), registry(), &|_| {}).await.expect("rebuilt");
    projections.wait_for_all(bench.head(), PATIENCE).await.expect("all follow");
    wait_for_state(&projections, "devices", State::Following).await;
}

async fn the_lag_counts_events_whatever_positions_say(engine: Engine) {
    let mut bench = Bench::over(engine, 9).await;
    bench.world.live(30).await;
    rebuild(&bench.config(), bench.log(), registry(), &|_| {}).await.expect("rebuilt");
    let status = crate::status(&bench.config(), &*bench.log).await.expect("a status");
    assert!(status.len() == registry().len() && status.iter().all(|one| one.lag == 0), "{status:#?}");
    let middle = bench.world.position();
    bench.world.live(40).await;
    let all = bench.log.read_all(None, 10_000, &Default::default()).await.expect("the log");
    let expected = all.iter().filter(|event| Some(event.position) > middle).count();
    let status = crate::status(&bench.config(), &*bench.log).await.expect("a status");
    assert!(status.iter().all(|one| one.lag == expected), "not {expected}: {status:#?}");
    for (max, counted) in [(LAG_EVENTS_MAX, all.len()), (7, 7)] {
        assert_eq!(events_after(&*bench.log, None, max).await.expect("a count"), counted);
    }
}

async fn a_log_that_is_another_one_is_not_followed_until_a_rebuild_says_so(engine: Engine) {
    let mut bench = Bench::over(engine, 5).await;
    bench.world.live(60).await;
    let projections = bench.start().await;
    projections.wait_for_all(bench.head(), PATIENCE).await.expect("all follow");
    drop(projections);
    let before = bench.digests().await;

    let other = Bench::over(engine, 6).await;
    (bench.log, bench.world) = (other.log(), other.world);
    bench.world.live(80).await;
    let projections = bench.start().await;
    for projector in registry() {
        wait_for_state(&projections, projector.name(), State::Diverged).await;
    }
    assert_eq!(bench.digests().await, before, "nothing was folded");
    let status = crate::status(&bench.config(), &*bench.log).await.expect("a status");
    assert!(status.iter().all(|one| one.state == "diverged" && one.error.is_some()), "{status:#?}");

    rebuild(&bench.config(), bench.log(), registry(), &|_| {}).await.expect("rebuilt");
    bench.world.live(10).await;
    projections.wait_for_all(bench.head(), PATIENCE).await.expect("all follow the new log");
    wait_for_state(&projections, "accounts", State::Following).await;
}

async fn a_log_with_another_event_at_the_checkpoint_is_not_followed(engine: Engine) {
    let mut bench = Bench::over(engine, 8).await;
    bench.world.live(40).await;
    let projections = bench.start().await;
    projections.wait_for_all(bench.head(), PATIENCE).await.expect("all follow");
    let admin = bench.database.client().await;
    eventually(async || {
        let saved = "SELECT position FROM projection.checkpoints WHERE name = 'accounts'";
        let saved: Option<i64> = admin.query_one(saved, &[]).await.expect("a checkpoint").get(0);
        saved == i64::try_from(bench.head().get()).ok()
    })
    .await;
    drop(projections);
    let forge = "UPDATE projection.checkpoints SET hash = sha256(hash) WHERE name = 'accounts'";
    admin.execute(forge, &[]).await.expect("a checkpoint of another history");
    let projections = bench.start().await;
    wait_for_state(&projections, "accounts", State::Diverged).await;
    wait_for_state(&projections, "devices", State::Following).await;
}
