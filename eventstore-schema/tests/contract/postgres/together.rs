//! What reading streams together costs, by the entries of indexes that are visited: nothing goes with the size of the log, nor
//! with the length of a stream.

use eventstore_schema::testing::TestDatabase;
use eventstore_schema::{EventLog, PageLimits, PgEventLog, PgLogConfig, Position, StreamId};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::given;

/// Events of the long stream, and of others in between: each has one for each of the long one.
const EVENTS: i64 = 150_000;
/// Entries that a page may visit: those of its events, and of the search for each stream that has news.
const VISITED_MAX: i64 = 400;

/// Writes, as the owner may, a long stream in turns with events of many others.
async fn fill(owner: &Client, long: StreamId) {
    let sql = format!(
        "INSERT INTO log.events (position, revision, recorded_at, stream_id, event_id, command_id, correlation_id, actor_id,
             category, actor_kind, version, event_type, hash, payload)
           SELECT g, CASE WHEN g % 2 = 0 THEN g / 2 - 1 ELSE (g - 1) / 2 % 10 END, now(),
             CASE WHEN g % 2 = 0 THEN '{0}' ELSE lpad(to_hex((g - 1) / 20), 32, '0')::uuid END,
             gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 2, 1, 1,
             'conversation.message_sent', decode(repeat('00', 32), 'hex'), 'payload'
           FROM generate_series(1, {1}) AS g;
         INSERT INTO log.streams (id, category, revision, position_min, position_max)
           SELECT e.stream_id, 2, max(e.revision), min(e.position), max(e.position) FROM log.events e GROUP BY e.stream_id;
         VACUUM ANALYZE log.events; VACUUM ANALYZE log.streams;",
        long.id,
        2 * EVENTS
    );
    for statement in sql.split(';') {
        owner.batch_execute(statement).await.unwrap();
    }
}

async fn visited(owner: &Client) -> i64 {
    // What this connection has counted itself, while it filled the log, has to be told before.
    owner.query("SELECT pg_stat_force_next_flush()", &[]).await.unwrap();
    let sql = "SELECT coalesce(sum(idx_tup_read), 0)::bigint + (SELECT coalesce(sum(seq_tup_read), 0)::bigint
        FROM pg_stat_user_tables WHERE schemaname = 'log') FROM pg_stat_user_indexes WHERE schemaname = 'log'";
    owner.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_streams_visits_what_it_shows_only() {
    let database = TestDatabase::create().await;
    let owner = database.client().await;
    let long = given::stream();
    fill(&owner, long).await;
    let foreign = |n: i64| StreamId::new(long.category, Uuid::from_u128(n as u128));
    let end = Position::new(2 * EVENTS as u64);
    let limits = PageLimits { events: 50, bytes: 1_000_000 };
    let behind = |events: i64| Some(Position::new((2 * EVENTS - events) as u64));
    // A log of its own for each question: what a connection has counted is told when it closes.
    let asked = async |streams: Vec<StreamId>, after| {
        let before = visited(&owner).await;
        let mut config = PgLogConfig::new(database.config());
        config.readers = 1;
        let log = PgEventLog::connect(config).await.unwrap();
        let page = log.read_streams(&streams, after, end, limits).await.unwrap();
        drop(log);
        let mut now = visited(&owner).await;
        for _ in 0..100 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            let later = visited(&owner).await;
            if later > before && later == now {
                break;
            }
            now = later;
        }
        assert!(now > before, "nothing was counted");
        (page, now - before)
    };
    for (after, events) in [(behind(6), 3), (behind(EVENTS), 50), (behind(2 * EVENTS - 5), 50), (None, 50)] {
        let (page, visited) = asked(vec![long], after).await;
        assert_eq!(page.events.len(), events, "behind {after:?}");
        assert!(visited <= VISITED_MAX, "{visited} of the long stream behind {after:?}");
    }
    // A thousand streams of which hardly any has news: one entry each, to see that.
    let thousand: Vec<_> = (0..1_000).map(foreign).chain([long]).collect();
    let (page, visited) = asked(thousand, behind(6)).await;
    assert_eq!(page.events.len(), 3);
    assert!(visited <= 1_000 + VISITED_MAX, "{visited} of a thousand streams");
}
