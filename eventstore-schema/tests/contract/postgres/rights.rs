//! G5: who may do what to the tables.

use eventstore_schema::database::Role;
use eventstore_schema::testing::TestDatabase;
use eventstore_schema::{EventLog, PgEventLog, PgLogConfig};
use tokio_postgres::error::SqlState;

use crate::given;

async fn with_events() -> TestDatabase {
    let database = TestDatabase::create().await;
    let log = PgEventLog::connect(PgLogConfig::new(database.config())).await.unwrap();
    log.append(given::append(given::stream(), 3)).await.unwrap();
    database
}

/// Statements that would change what is recorded, on the table, on its partition and on the record of commands.
const CHANGES: [&str; 9] = [
    "UPDATE log.events SET version = 2",
    "DELETE FROM log.events",
    "TRUNCATE log.events",
    "UPDATE log.events_from_0 SET version = 2",
    "DELETE FROM log.events_from_0 WHERE position = 1",
    "TRUNCATE log.events_from_0",
    "UPDATE log.commands SET count = 2",
    "DELETE FROM log.commands",
    "TRUNCATE log.commands",
];

#[tokio::test]
async fn g5_no_role_has_the_right_to_change_what_is_recorded() {
    let database = with_events().await;
    for role in Role::ALL {
        let client = database.pool(*role).get().await.unwrap();
        let insert = "INSERT INTO log.commands SELECT gen_random_uuid(), fingerprint, position, count FROM log.commands";
        let streams = ["UPDATE log.streams SET revision = 0", "DELETE FROM log.streams", insert];
        for change in CHANGES.iter().chain(&streams) {
            let error = client.execute(*change, &[]).await.unwrap_err();
            assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{role}: {change}");
        }
    }
}

#[tokio::test]
async fn g5_a_trigger_refuses_even_the_owner() {
    let database = with_events().await;
    let owner = database.client().await;
    for change in CHANGES {
        let error = owner.execute(change, &[]).await.unwrap_err();
        assert_eq!(error.code(), Some(&SqlState::RESTRICT_VIOLATION), "{change}");
    }
    let count: i64 = owner.query_one("SELECT count(*) FROM log.events", &[]).await.unwrap().get(0);
    assert_eq!(count, 3);
}

#[tokio::test]
async fn only_the_write_side_sees_the_log() {
    let database = with_events().await;
    for role in Role::ALL {
        let client = database.pool(*role).get().await.unwrap();
        let read = client.query("SELECT FROM log.events", &[]).await;
        assert_eq!(read.is_ok(), *role == Role::App, "{role}");
    }
}

#[tokio::test]
async fn an_event_removed_behind_everybodys_back_is_noticed() {
    let database = with_events().await;
    let owner = database.client().await;
    owner
        .batch_execute("SET session_replication_role = replica; DELETE FROM log.events WHERE position = 2")
        .await
        .unwrap();
    let log = PgEventLog::connect(PgLogConfig::new(database.config())).await.unwrap();
    let error = log.read_all(None, 10, &eventstore_schema::ReadFilter::all()).await.unwrap_err();
    assert!(error.to_string().contains("position 2"), "{error}");
}

#[tokio::test]
async fn migrating_twice_and_from_two_connections_at_once_is_one_migration() {
    let database = TestDatabase::create_empty().await;
    let (mut one, mut other) = (database.client().await, database.client().await);
    let (first, second) =
        tokio::join!(eventstore_schema::migrate(&mut one), eventstore_schema::migrate(&mut other));
    first.unwrap();
    second.unwrap();
    eventstore_schema::migrate(&mut one).await.unwrap();
    let count: i64 = one.query_one("SELECT count(*) FROM log.identity", &[]).await.unwrap().get(0);
    assert_eq!(count, 1);
}
