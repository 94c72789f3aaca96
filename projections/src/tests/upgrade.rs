//! Two releases over one database, each with read models of its own.

use domain::OrganizationId;
use eventstore_schema::database::Role;

use super::*;
use crate::{Page, ReadModels, Viewer, accounts, organizations};

/// What a release shows of somebody's organizations, and of a colleague's profile.
async fn seen(bench: &Bench, edition: u32) -> Result<(usize, bool), crate::QueryError> {
    let reader = ReadModels::of_edition(bench.database.pool(Role::Reader), edition).now();
    let (organization_id, organization) = bench.world.organizations().next().expect("an organization");
    let mut members = organization.members().map(|(account_id, _)| account_id);
    let account_id = members.next().expect("a member");
    let viewer = Viewer { account_id, organization_id: Some(organization_id) };
    let page: Page<OrganizationId> = Page::new(None, 10);
    let mine = organizations::queries::mine(&reader, &viewer, page).await?;
    let colleague = members.next().unwrap_or(account_id);
    let profile = accounts::queries::profile(&reader, &viewer, colleague).await?;
    Ok((mine.len(), profile.is_some()))
}

async fn schemas(bench: &Bench) -> i64 {
    let sql = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'rm\\_%' OR nspname LIKE 'read\\_%'";
    bench.database.client().await.query_one(sql, &[]).await.expect("a count").get(0)
}

fn of_one_release() -> i64 {
    i64::try_from(registry().len() * 2).expect("few")
}

async fn functions(bench: &Bench) -> i64 {
    let sql = "SELECT count(*) FROM pg_proc WHERE proname LIKE 'acquainted\\_%'";
    bench.database.client().await.query_one(sql, &[]).await.expect("a count").get(0)
}

async fn digests_of(bench: &Bench, number: u32) -> Vec<Vec<TableDigest>> {
    let mut all = Vec::new();
    for projector in edition(number) {
        all.push(digests(&bench.config(), &*projector).await.expect("digests").1);
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_release_follows_and_reads_tables_of_its_own() {
    let mut bench = Bench::new(61).await;
    bench.world.live(80).await;
    let old = bench.start_edition(0, true).await;
    old.wait_for_all(bench.head(), PATIENCE).await.expect("the old release follows");
    let before = seen(&bench, 0).await.expect("an answer");
    assert!(before.0 > 0 && before.1, "{before:?}");
    assert!(seen(&bench, 1).await.expect_err("no views yet").is_transient());

    let new = bench.start_edition(1, true).await;
    new.wait_for_all(bench.head(), PATIENCE).await.expect("the new release follows");
    bench.world.live(40).await;
    old.wait_for_all(bench.head(), PATIENCE).await.expect("the old release goes on");
    new.wait_for_all(bench.head(), PATIENCE).await.expect("so does the new one");
    assert_eq!(seen(&bench, 0).await.expect("an answer"), seen(&bench, 1).await.expect("an answer"));
    assert_eq!(digests_of(&bench, 0).await, digests_of(&bench, 1).await);
    assert_eq!((schemas(&bench).await, functions(&bench).await), (2 * of_one_release(), 2));

    let status = crate::status(&bench.config(), &*bench.log).await.expect("a status");
    let led =
        |is_current| status.iter().filter(|row| row.is_current == is_current && row.led_by.is_some()).count();
    assert_eq!((led(true), led(false)), (registry().len(), registry().len()), "{status:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_release_shows_nothing_and_is_not_ready_before_its_tables_are_complete() {
    let mut bench = Bench::new(62).await;
    bench.world.live(60).await;
    let old = bench.start_edition(0, true).await;
    old.wait_for_all(bench.head(), PATIENCE).await.expect("the old release follows");
    // Another process of the new release makes them; for now it cannot.
    let admin = bench.database.client().await;
    admin.batch_execute("BEGIN; LOCK TABLE projection.checkpoints IN EXCLUSIVE MODE").await.expect("a lock");
    let watching = bench.start_edition(1, false).await;
    let making = bench.start_edition(1, true).await;
    let locks = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' \
                 AND query LIKE '%projection.checkpoints%'";
    let observer = bench.database.client().await;
    eventually(async || {
        let count: i64 = observer.query_one(locks, &[]).await.expect("a count").get(0);
        count > 0
    })
    .await;
    assert!(seen(&bench, 1).await.expect_err("no views yet").is_transient());
    for (name, progress) in watching.progress().into_iter().chain(making.progress()) {
        assert!(matches!(progress.state, State::Starting | State::Rebuilding), "{name}: {progress:?}");
    }
    assert!(seen(&bench, 0).await.is_ok(), "the old release is read meanwhile");

    admin.batch_execute("ROLLBACK").await.expect("unlocked");
    making.wait_for_all(bench.head(), PATIENCE).await.expect("complete");
    for projector in registry() {
        wait_for_state(&watching, projector.name(), State::Standby).await;
    }
    assert_eq!(seen(&bench, 0).await.expect("an answer"), seen(&bench, 1).await.expect("an answer"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_process_uses_any_more_is_dropped_and_made_anew_for_who_comes_back() {
    let mut bench = Bench::new(63).await;
    bench.world.live(60).await;
    let old = bench.start_edition(0, true).await;
    old.wait_for_all(bench.head(), PATIENCE).await.expect("the old release follows");
    let new = bench.start_edition(1, true).await;
    new.wait_for_all(bench.head(), PATIENCE).await.expect("the new release follows");
    let seen_by_old = seen(&bench, 0).await.expect("an answer");

    // One process of it that neither leads nor asks is enough to keep them.
    let idle = bench.start_edition(0, false).await;
    drop(old);
    tokio::time::sleep(SOON.unused_after * 2).await;
    assert_eq!(seen(&bench, 0).await.expect("an answer"), seen_by_old);
    drop(idle);
    eventually(async || schemas(&bench).await == of_one_release() && functions(&bench).await == 1).await;
    assert!(seen(&bench, 0).await.expect_err("no views any more").is_transient());
    assert_eq!(
        seen(&bench, 1).await.expect("an answer"),
        seen_by_old,
        "colleagues are known by the other's function"
    );

    let back = bench.start_edition(0, true).await;
    back.wait_for_all(bench.head(), PATIENCE).await.expect("the old release follows again");
    assert_eq!(seen(&bench, 0).await.expect("an answer"), seen_by_old);
}

#[tokio::test]
async fn releases_that_start_at_once_over_nothing_take_no_tables_from_each_other() {
    let mut bench = Bench::new(64).await;
    let (one, other) = tokio::join!(bench.start_edition(0, true), bench.start_edition(1, true));
    bench.world.live(60).await;
    one.wait_for_all(bench.head(), PATIENCE).await.expect("one follows");
    other.wait_for_all(bench.head(), PATIENCE).await.expect("the other follows");
    assert_eq!(digests_of(&bench, 0).await, digests_of(&bench, 1).await);
}
