//! Pages of large tables, by plans that are made before it is known which page: what is visited is what is shown, whatever else
//! there is.

use domain::{AccountId, Aggregate, ConversationId, OrganizationId, Timestamp};
use eventstore_schema::database::{Pool, PoolOptions, Role};
use tokio_postgres::Client;
use uuid::Uuid;

use super::queries::lived;
use super::*;
use crate::messages::queries::Direction;
use crate::{Page, QueryError, Reader, Viewer};

const ROWS: i64 = 1_000_000;
/// Rows of a page.
const LIMIT: u32 = 50;
/// Entries of indexes that a page may visit: those of its rows, of policies that are asked for each, of bounds.
const VISITED_MAX: i64 = 1_000;

/// A world, and a reader whose one connection plans every query for any parameters.
struct Large {
    bench: Bench,
    reader: Reader,
    pool: Pool,
    owner: Client,
}

impl Large {
    async fn new(seed: u64) -> Self {
        let (bench, _) = lived(seed, 900).await;
        let options = PoolOptions {
            server_options: "-c plan_cache_mode=force_generic_plan",
            ..PoolOptions::of_size(1)
        };
        let pool = Pool::new(&bench.config(), Role::Reader, options).expect("a pool");
        let owner = bench.database.client().await;
        Self { reader: Reader::new(pool.clone()), bench, pool, owner }
    }

    /// Multiplies a row of a table, with these columns made anew of `g`, which counts from 1.
    async fn multiply(&self, table: &str, row: &str, anew: &[(&str, &str)]) {
        self.multiply_by(ROWS, table, row, anew).await;
    }

    /// The same, so many times.
    async fn multiply_by(&self, rows: i64, table: &str, row: &str, anew: &[(&str, &str)]) {
        let sql = "SELECT n.nspname, array_agg(a.attname::text ORDER BY a.attnum) FROM pg_class c \
            JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname LIKE 'rm\\_%' \
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
            WHERE c.relname = $1 AND c.relkind = 'r' GROUP BY n.nspname";
        let found = self.owner.query_one(sql, &[&table]).await.unwrap();
        let (schema, columns): (String, Vec<String>) = (found.get(0), found.get(1));
        let made = |column: &String| {
            let anew = anew.iter().find(|(name, _)| name == column).map(|(_, made)| (*made).to_owned());
            anew.unwrap_or_else(|| format!("s.{column}"))
        };
        let values: Vec<String> = columns.iter().map(made).collect();
        let insert = format!(
            "INSERT INTO {schema}.{table} ({}) SELECT {} FROM (SELECT * FROM {schema}.{table} WHERE {row} LIMIT 1) AS s, \
             generate_series(1, {rows}) AS g; ANALYZE {schema}.{table}",
            columns.join(", "),
            values.join(", ")
        );
        self.owner.batch_execute(&insert).await.unwrap();
        let count = format!("SELECT count(*) FROM {schema}.{table}");
        assert!(self.owner.query_one(&count, &[]).await.unwrap().get::<_, i64>(0) > rows);
    }

    async fn entries(&self, table: &str) -> i64 {
        // What the connection has counted is not yet with the server.
        let reader = self.pool.get().await.unwrap();
        reader.query("SELECT pg_stat_force_next_flush()", &[]).await.unwrap();
        let sql = "SELECT (t.seq_tup_read + coalesce((SELECT sum(i.idx_tup_read) FROM pg_stat_user_indexes i \
            WHERE i.relid = t.relid), 0))::bigint FROM pg_stat_user_tables t WHERE t.relname = $1";
        self.owner.query_one(sql, &[&table]).await.unwrap().get(0)
    }

    /// Asks for a page, which has to be full, and says how many entries were visited for it.
    async fn visited<T>(
        &self,
        table: &str,
        page: impl AsyncFnOnce(&Reader) -> Result<Vec<T>, QueryError>,
    ) -> i64 {
        let before = self.entries(table).await;
        let rows = page(&self.reader).await.unwrap();
        assert_eq!(rows.len(), LIMIT as usize);
        self.entries(table).await - before
    }
}

fn page<K>(after: Option<K>) -> Page<K> {
    Page::new(after, LIMIT)
}

/// A conversation with messages, its organization and a member.
fn conversation(bench: &Bench) -> (ConversationId, OrganizationId, AccountId) {
    let open = bench.world.conversations().filter(|one| !one.is_deleted() && one.last_number() > 0);
    let found = open.filter_map(|one| {
        let (member, _) = one.members().next()?;
        Some((one.id()?, one.organization()?, member))
    });
    found.last().expect("a conversation with messages")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_messages_visits_its_own_rows_only() {
    use crate::messages::queries;
    let large = Large::new(71).await;
    let (conversation_id, organization_id, account_id) = conversation(&large.bench);
    let viewer = Viewer { account_id, organization_id: Some(organization_id) };
    let row = format!("conversation_id = '{}'", conversation_id.as_uuid());
    large.multiply("messages", &row, &[("number", "1000 + g"), ("message_id", "gen_random_uuid()")]).await;
    for (direction, after) in [
        (Direction::Forwards, None),
        (Direction::Forwards, Some(900_000)),
        (Direction::Backwards, None),
        (Direction::Backwards, Some(500_000)),
    ] {
        let ask = async |reader: &Reader| {
            queries::page(reader, &viewer, conversation_id, direction, page(after)).await
        };
        let visited = large.visited("messages", ask).await;
        assert!(visited <= VISITED_MAX, "{visited} for {direction:?} {after:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_members_visits_its_own_rows_only() {
    let large = Large::new(72).await;
    let (conversation_id, organization_id, account_id) = conversation(&large.bench);
    let viewer = Viewer { account_id, organization_id: Some(organization_id) };
    let member = [("account_id", "lpad(to_hex(g), 32, '0')::uuid")];
    let account = |number: u128| AccountId::from(Uuid::from_u128(number));
    let row = format!("conversation_id = '{}' AND left_at IS NULL", conversation_id.as_uuid());
    large.multiply("conversation_members", &row, &member).await;
    let row = format!("organization_id = '{}' AND removed_at IS NULL", organization_id.as_uuid());
    large.multiply("organization_memberships", &row, &member).await;
    for after in [None, Some(account(900_000))] {
        let of_conversation = async |reader: &Reader| {
            crate::conversations::queries::members(reader, &viewer, conversation_id, page(after)).await
        };
        let visited = large.visited("conversation_members", of_conversation).await;
        assert!(visited <= VISITED_MAX, "{visited} of a conversation behind {after:?}");
        let of_organization = async |reader: &Reader| {
            crate::organizations::queries::members(reader, &viewer, organization_id, page(after)).await
        };
        let visited = large.visited("organization_memberships", of_organization).await;
        assert!(visited <= VISITED_MAX, "{visited} of an organization behind {after:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_the_audit_log_visits_its_own_rows_only() {
    use crate::audit::queries::{AuditFilter, Order, page as list};
    /// What lies within the margin for clocks that are apart: a row a second, once.
    const WITHIN_MARGIN: i64 = 3_700;
    let large = Large::new(73).await;
    let (_, organization_id, account_id) = conversation(&large.bench);
    let viewer = Viewer { account_id, organization_id: Some(organization_id) };
    let (second, first) = (1_000_000, 1_800_000_000_000_000);
    let rows = [
        ("event_id", "gen_random_uuid()"),
        ("position", "1000000 + g"),
        ("recorded_at", "1800000000000000 + g * 1000000::bigint"),
        ("event_type", "CASE WHEN g % 1000 = 0 THEN 'rare' ELSE 'common' END"),
        ("actor_id", "lpad(to_hex(g % 1000), 32, '0')::uuid"),
        ("stream_id", "lpad(to_hex(g % 1000), 32, '0')::uuid"),
    ];
    let row = format!("organization_id = '{}'", organization_id.as_uuid());
    large.multiply("audit_logs", &row, &rows).await;
    let at = |row: i64| Timestamp::from_micros(first + row * second);
    let seventh = Uuid::from_u128(7);
    let filters = [
        AuditFilter::default(),
        AuditFilter { event_type: Some("rare".to_owned()), ..AuditFilter::default() },
        AuditFilter { actor: Some(AccountId::from(seventh)), ..AuditFilter::default() },
        AuditFilter { stream_id: Some(seventh), ..AuditFilter::default() },
        AuditFilter { since: Some(at(500_000)), ..AuditFilter::default() },
        AuditFilter { until: Some(at(500_000)), ..AuditFilter::default() },
        AuditFilter { since: Some(at(400_000)), until: Some(at(400_100)), ..AuditFilter::default() },
    ];
    for filter in &filters {
        let is_timed = filter.since.is_some() || filter.until.is_some();
        let visited_max = if is_timed { VISITED_MAX + WITHIN_MARGIN } else { VISITED_MAX };
        for order in [Order::NewestFirst, Order::OldestFirst] {
            let ask = async |reader: &Reader| {
                list(reader, &viewer, organization_id, filter, order, page(None)).await
            };
            let visited = large.visited("audit_logs", ask).await;
            assert!(visited <= visited_max, "{visited} for {filter:?}, {order:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_of_ten_thousand_conversations_visits_those_of_the_account_only() {
    use crate::sync::sync;
    const CONVERSATIONS: i64 = 10_000;
    let large = Large::new(74).await;
    let (conversation_id, organization_id, account_id) = conversation(&large.bench);
    let row = format!("conversation_id = '{}'", conversation_id.as_uuid());
    let mine = format!("{row} AND account_id = '{}'", account_id.as_uuid());
    let (id, far) =
        (("conversation_id", "lpad(to_hex(g), 32, '0')::uuid"), "lpad(to_hex(g + 100000), 32, '1')::uuid");
    let at = ("position", "1000000 + g");
    large.multiply_by(CONVERSATIONS, "conversations", &row, &[id, at]).await;
    large
        .multiply_by(CONVERSATIONS, "message_counters", &row, &[id, at, ("activity_position", "1000000 + g")])
        .await;
    large.multiply_by(CONVERSATIONS, "conversation_members", &mine, &[id, at]).await;
    large.multiply("conversation_members", &mine, &[("conversation_id", far), ("account_id", far), at]).await;
    let members = [organization_id];
    for since in [None, Some(Position::new(1_000_000)), Some(Position::new(1_005_000))] {
        for table in ["conversations", "message_counters", "conversation_members"] {
            let began = std::time::Instant::now();
            let ask = async |reader: &Reader| {
                let page = sync(reader, account_id, &members, since, page(None)).await?;
                Ok(page.conversations)
            };
            let visited = large.visited(table, ask).await;
            println!("{table} behind {since:?}: {visited} entries, {:?}", began.elapsed());
            assert!(
                visited <= 4 * CONVERSATIONS + VISITED_MAX,
                "{visited} entries of {table} behind {since:?}"
            );
        }
    }
}
