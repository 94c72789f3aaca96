//! Partitions: made in time, invisible from above, and pruned when a stream is read.

use eventstore_schema::testing::TestDatabase;
use eventstore_schema::{EventLog, Expected, PgEventLog, PgLogConfig, ReadFilter, Revision, StreamAppend};

use crate::given;

/// Events in a partition: few, so that a test crosses many.
const SIZE: i64 = 16;

async fn with_small_partitions() -> TestDatabase {
    let database = TestDatabase::create().await;
    let owner = database.client().await;
    owner.batch_execute("DROP TABLE log.events_from_0").await.unwrap();
    owner.execute("UPDATE log.identity SET partition_events = $1", &[&SIZE]).await.unwrap();
    owner.execute("SELECT log.make_room(1)", &[]).await.unwrap();
    database
}

#[tokio::test]
async fn partitions_are_made_while_two_engines_append() {
    let database = with_small_partitions().await;
    let connect = async || PgEventLog::connect(PgLogConfig::new(database.config())).await.unwrap();
    let logs = [connect().await, connect().await];
    let streams = [given::stream(), given::stream()];
    for n in 0..25_u64 {
        let expected = Expected::after((n * 3).checked_sub(1).map(Revision::new));
        let append = |stream| StreamAppend { expected, ..given::append(stream, 3) };
        let (one, other) =
            tokio::join!(logs[0].append(append(streams[0])), logs[1].append(append(streams[1])));
        one.unwrap();
        other.unwrap();
    }
    // More than one partition in one append.
    logs[1].append(given::append_at(streams[1], 74, 50)).await.unwrap();

    let all = given::read_all_after(&logs[0], None).await;
    let positions: Vec<_> = all.iter().map(|event| event.position.get()).collect();
    assert_eq!(positions, (1..=200).collect::<Vec<_>>());
    assert_eq!(given::read(&logs[0], streams[0]).await.len(), 75);
    assert_eq!(logs[0].last_of_stream(streams[1]).await.unwrap().unwrap().revision, Revision::new(124));
    assert_eq!(logs[1].read_all(None, 1_000, &ReadFilter::all()).await.unwrap(), all);
    let partitions = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'log.events'::regclass";
    let count: i64 = database.client().await.query_one(partitions, &[]).await.unwrap().get(0);
    assert!(count > 200 / SIZE, "{count}");
}

#[tokio::test]
async fn every_partition_refuses_changes() {
    let database = with_small_partitions().await;
    let log = PgEventLog::connect(PgLogConfig::new(database.config())).await.unwrap();
    log.append(given::append(given::stream(), 100)).await.unwrap();
    let owner = database.client().await;
    let partitions = "SELECT inhrelid::regclass::text FROM pg_inherits \
        WHERE inhparent IN ('log.events'::regclass, 'log.commands'::regclass)";
    let rows = owner.query(partitions, &[]).await.unwrap();
    assert!(rows.len() > 6 + 8);
    for row in rows {
        let partition: &str = row.get(0);
        for change in ["DELETE FROM", "TRUNCATE"] {
            assert!(
                owner.execute(&format!("{change} {partition}"), &[]).await.is_err(),
                "{change} {partition}"
            );
        }
    }
}

#[tokio::test]
async fn a_stream_is_read_from_its_own_partitions_only() {
    let database = with_small_partitions().await;
    let log = PgEventLog::connect(PgLogConfig::new(database.config())).await.unwrap();
    for _ in 0..10 {
        log.append(given::append(given::stream(), 20)).await.unwrap();
    }
    let stream = given::stream();
    log.append(given::append(stream, 2)).await.unwrap();
    assert_eq!(given::read(&log, stream).await.len(), 2);
    let owner = database.client().await;
    owner.batch_execute("SET enable_sort = off; SET plan_cache_mode = force_generic_plan").await.unwrap();
    let plan = owner
        .query(
            &format!(
                "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) SELECT * FROM log.events e
                 WHERE e.stream_id = '{0}' AND e.category = 2 AND e.revision >= 0
                   AND e.position >= (SELECT s.position_min FROM log.streams s WHERE s.id = '{0}' AND s.category = 2)
                   AND e.position <= (SELECT s.position_max FROM log.streams s WHERE s.id = '{0}' AND s.category = 2)
                 ORDER BY e.revision LIMIT 10",
                stream.id
            ),
            &[],
        )
        .await
        .unwrap();
    let plan: Vec<String> = plan.iter().map(|row| row.get(0)).collect();
    let visited =
        plan.iter().filter(|line| line.contains("on events_from") && !line.contains("never executed"));
    assert!(visited.count() <= 2, "{}", plan.join("\n"));
}

/// What one transaction did to the parts of `log.commands`: the part, how often its index was asked, and rows put in.
const TOUCHED: &str = "SELECT relname::text, coalesce(idx_scan, 0) + seq_scan, n_tup_ins FROM pg_stat_xact_user_tables \
    WHERE schemaname = 'log' AND relname LIKE 'commands%' AND relname <> 'commands' AND coalesce(idx_scan, 0) + seq_scan + n_tup_ins > 0";

async fn touched_by(transaction: &tokio_postgres::Transaction<'_>) -> Vec<(String, i64, i64)> {
    let rows = transaction.query(TOUCHED, &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
}

#[tokio::test]
async fn a_command_is_put_and_looked_for_in_one_part_only() {
    let database = TestDatabase::create().await;
    let log = PgEventLog::connect(PgLogConfig::new(database.config())).await.unwrap();
    for _ in 0..200 {
        log.append(given::append(given::stream(), 1)).await.unwrap();
    }
    let owner = database.client().await;
    let parts = "SELECT count(*) FROM pg_class WHERE reltuples > 0 \
        AND oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'log.commands'::regclass)";
    owner.batch_execute("ANALYZE log.commands").await.unwrap();
    let filled: i64 = owner.query_one(parts, &[]).await.unwrap().get(0);
    assert_eq!(filled, 8, "commands are spread over all parts");

    for _ in 0..8 {
        // A connection of its own each time: what another transaction of it did is counted, too, for a while.
        let mut owner = database.client().await;
        let settings = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off";
        owner.batch_execute(settings).await.unwrap();
        let transaction = owner.transaction().await.unwrap();
        let command = given::command().id.as_uuid();
        let append = "SELECT o_n FROM log.append(0, 9223372036854775807, \
            ARRAY[ROW(2, $1::uuid, 0, 0, 0, true, 1, 1, $2::uuid, '\\x00')::log.new_group], \
            ARRAY[ROW(1, 0, now(), $1::uuid, $2::uuid, $2::uuid, $2::uuid, NULL, NULL, $1::uuid, NULL, 2, 1, 1, 'x', '\\x00', NULL, '\\x00', NULL) \
                ::log.new_event])";
        let stream = given::stream().id;
        assert_eq!(transaction.query(append, &[&stream, &command]).await.unwrap().len(), 1);
        let touched = touched_by(&transaction).await;
        assert_eq!(touched.len(), 1, "{touched:?}");
        let (part, _, put) = &touched[0];
        assert_eq!(*put, 1);
        // As `find_command` asks.
        let find = "SELECT c.position, e.revision FROM log.commands c JOIN log.events e ON e.position = c.position \
            WHERE c.id = $1";
        assert_eq!(transaction.query(find, &[&command]).await.unwrap().len(), 1);
        let found = touched_by(&transaction).await;
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(&found[0].0, part);
        transaction.rollback().await.unwrap();
    }
}
