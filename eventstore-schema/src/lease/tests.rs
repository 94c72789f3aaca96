//! Leases over a real PostgreSQL, in the roles that take them.

use super::*;
use crate::database::{self, Role};
use crate::testing::TestDatabase;

/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(60);

async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("waited in vain: {what}"));
}

struct Bench {
    database: TestDatabase,
    leases: Leases,
}

impl Bench {
    async fn new() -> Self {
        let database = TestDatabase::create().await;
        // Here time stands still, however slow the machine is.
        let leases = Leases::start_with(&database.config(), Boottime::manual());
        Self { database, leases }
    }

    async fn client(&self) -> Client {
        database::connect(&database::in_role(&self.database.config(), Role::App)).await.unwrap()
    }

    async fn take(&self, client: &Client) -> Taken {
        self.leases.take(client, "thing").await.unwrap()
    }

    async fn ours(&self, client: &Client) -> Lease {
        match self.take(client).await {
            Taken::Ours(lease) => lease,
            Taken::Theirs(holder) => panic!("{holder} has it"),
        }
    }

    /// Takes the lease from a holder that seems to have renewed it that much later than it did, in seconds.
    async fn overtake(&self, client: &Client, later: i32) -> Lease {
        let admin = self.database.client().await;
        loop {
            let sql = "UPDATE lease.leases SET renewed_at = renewed_at + make_interval(secs => $1::int)";
            assert_eq!(admin.execute(sql, &[&later]).await.unwrap(), 1);
            if let Taken::Ours(lease) = self.take(client).await {
                return lease;
            }
        }
    }
}

fn is_theirs(taken: &Taken) -> bool {
    matches!(taken, Taken::Theirs(holder) if holder.ends_with(&format!(":{}", std::process::id())))
}

#[tokio::test]
async fn one_has_it_at_a_time_and_every_taker_raises_the_epoch() {
    let bench = Bench::new().await;
    let (one, other) = (bench.client().await, bench.client().await);
    let first = bench.ours(&one).await;
    assert_eq!((first.name(), first.epoch(), first.is_valid()), ("thing", 1, true));
    assert!(is_theirs(&bench.take(&other).await));
    assert_eq!(holders(&other).await.unwrap().len(), 1);
    first.clone().give_back(&one).await.unwrap();
    assert!(!first.is_valid());
    first.lost().await;
    assert_eq!(holders(&other).await.unwrap().len(), 0);
    assert_eq!(bench.ours(&other).await.epoch(), 2);
    assert!(is_theirs(&bench.take(&one).await));
}

#[tokio::test]
async fn many_who_ask_at_once_are_given_it_once() {
    let bench = Bench::new().await;
    let mut clients = Vec::new();
    for _ in 0..8 {
        clients.push(bench.client().await);
    }
    for round in 1..=3 {
        let takes = futures_util::future::join_all(clients.iter().map(|client| bench.take(client))).await;
        let won: Vec<_> = takes.iter().filter(|taken| matches!(taken, Taken::Ours(_))).collect();
        assert_eq!(won.len(), 1, "round {round}: {takes:?}");
        let Some(index) = takes.iter().position(|taken| matches!(taken, Taken::Ours(_))) else { panic!() };
        let Taken::Ours(lease) = &takes[index] else { panic!() };
        assert_eq!(lease.epoch(), round);
        lease.clone().give_back(&clients[index]).await.unwrap();
    }
}

#[tokio::test]
async fn a_lease_ends_with_its_connection() {
    let bench = Bench::new().await;
    let (one, other) = (bench.client().await, bench.client().await);
    let lease = bench.ours(&one).await;
    drop(one);
    eventually("the other takes it", async || matches!(bench.take(&other).await, Taken::Ours(_))).await;
    // Its holder learns of it although it asked for nothing.
    tokio::time::timeout(PATIENCE, lease.lost()).await.unwrap();
    assert!(!lease.is_valid());
}

#[tokio::test]
async fn a_lease_that_is_renewed_outlives_its_term_and_one_that_is_not_does_not() {
    let bench = Bench::new().await;
    let (one, other) = (bench.client().await, bench.client().await);
    let lease = bench.ours(&one).await;
    let admin = bench.database.client().await;
    let renewed = async || {
        let sql = "SELECT extract(epoch FROM renewed_at)::float8 FROM lease.leases";
        admin.query_one(sql, &[]).await.unwrap().get::<_, f64>(0)
    };
    let taken_at = renewed().await;
    eventually("it is renewed", async || renewed().await > taken_at + 1.0).await;
    assert!(lease.is_valid() && is_theirs(&bench.take(&other).await));
    assert_eq!(bench.overtake(&other, -7).await.epoch(), 2);
    tokio::time::timeout(PATIENCE, lease.lost()).await.unwrap();
}

#[tokio::test]
async fn a_clock_that_was_set_back_keeps_no_lease_alive() {
    let bench = Bench::new().await;
    let (one, other) = (bench.client().await, bench.client().await);
    bench.ours(&one).await;
    assert_eq!(bench.overtake(&other, 3_600).await.epoch(), 2);
}

#[tokio::test]
async fn a_late_holder_commits_nothing() {
    let bench = Bench::new().await;
    let admin = bench.database.client().await;
    admin.batch_execute("CREATE TABLE mark (by text); GRANT INSERT ON mark TO envoi_app").await.unwrap();
    let (one, other) = (bench.client().await, bench.client().await);
    let late = bench.ours(&one).await;
    let write = format!("BEGIN; {}; INSERT INTO mark VALUES ('late')", late.check_sql());
    // Its transaction has passed the check, and then it hangs.
    one.batch_execute(&write).await.unwrap();
    let lease = bench.overtake(&other, -7).await;
    one.batch_execute("COMMIT").await.unwrap_err();
    // Nor does one that begins later, from wherever.
    let again = bench.client().await;
    let error = again.batch_execute(&write).await.unwrap_err();
    assert!(is_lost(&error), "{error:?}");
    again.batch_execute("ROLLBACK").await.unwrap();
    other
        .batch_execute(&format!("BEGIN; {}; INSERT INTO mark VALUES ('new')", lease.check_sql()))
        .await
        .unwrap();
    other.batch_execute("COMMIT").await.unwrap();
    let marks = admin.query("SELECT by FROM mark", &[]).await.unwrap();
    assert_eq!(marks.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>(), ["new"]);
}

#[tokio::test]
async fn a_taker_whose_predecessor_cannot_be_ended_waits_for_it() {
    let bench = Bench::new().await;
    let (one, other) = (bench.client().await, bench.client().await);
    let late = bench.ours(&one).await;
    one.batch_execute(&format!("BEGIN; {}", late.check_sql())).await.unwrap();
    // As if it were of another login.
    let sql = "UPDATE lease.leases SET started_at = started_at - interval '1 s'";
    bench.database.client().await.execute(sql, &[]).await.unwrap();
    bench.leases.take(&other, "thing").await.unwrap_err();
    one.batch_execute("COMMIT").await.unwrap();
    assert_eq!(bench.ours(&other).await.epoch(), 2);
}

#[tokio::test]
async fn an_epoch_is_on_disk_before_it_counts() {
    let bench = Bench::new().await;
    let client = bench.client().await;
    client.batch_execute("SET synchronous_commit = off; BEGIN").await.unwrap();
    bench.ours(&client).await;
    let row = client.query_one("SHOW synchronous_commit", &[]).await.unwrap();
    assert_eq!(row.get::<_, &str>(0), "on");
    client.batch_execute("ROLLBACK").await.unwrap();
}

#[tokio::test]
async fn a_holder_that_slept_does_not_trust_its_lease() {
    let database = TestDatabase::create().await;
    let clock = Boottime::manual();
    let leases = Leases::start_with(&database.config(), clock.clone());
    let bench = Bench { database, leases };
    let client = bench.client().await;
    let lease = bench.ours(&client).await;
    clock.advance(TRUSTED_FOR - Duration::from_millis(1));
    assert!(lease.is_valid());
    clock.advance(Duration::from_millis(1));
    assert!(!lease.is_valid());
    // Although nobody else took it: it is lost for good, and can be taken anew.
    tokio::time::timeout(PATIENCE, lease.lost()).await.unwrap();
    assert!(!lease.is_valid());
}

#[tokio::test]
async fn what_nobody_holds_shows_after_a_while() {
    let database = TestDatabase::create().await;
    let clock = Boottime::manual();
    let leases = Leases::start_with(&database.config(), clock.clone());
    let bench = Bench { database, leases };
    bench.leases.watch("thing");
    let is_led = || bench.leases.watched()["thing"];
    assert!(is_led());
    clock.advance(LEADERLESS_AFTER);
    assert!(!is_led());
    let client = bench.client().await;
    let _lease = bench.ours(&client).await;
    eventually("it is seen to be held", async || is_led()).await;
}

#[tokio::test]
async fn nobody_touches_leases_but_through_their_functions() {
    let bench = Bench::new().await;
    let client = bench.client().await;
    let sql = "UPDATE lease.leases SET epoch = 1";
    assert!(
        client.execute(sql, &[]).await.is_err() && client.query("TABLE lease.leases", &[]).await.is_err()
    );
    let reader = database::connect(&database::in_role(&bench.database.config(), Role::Reader)).await.unwrap();
    assert!(reader.query("SELECT lease.take('thing', 'me')", &[]).await.is_err());
    let helper = "SELECT lease.end_backend(pg_backend_pid(), now())";
    assert!(client.query(helper, &[]).await.is_err());
}
