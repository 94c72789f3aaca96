//! Reading the log: pages of a stream, pages of everything, and following it.

use std::sync::Arc;

use async_trait::async_trait;
use domain::{CommandId, Digest};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::Shared;
use super::batch::recorded_command;
use super::rows::{self, COLUMNS, category_code, describe};
use crate::database::{Connection, Pool};
use crate::envelope::{Position, RecordedEvent, Revision, StreamId};
use crate::log::{Appended, Head, Incarnation, LogError, PAGE_BYTES, ReadFilter, Subscription, may_go_on};

/// Events that one query of a filtered read looks through, passing or not.
const FILTER_WINDOW: u64 = 20_000;
/// Most events in one page, whatever the caller asks for.
pub(super) const PAGE_EVENTS_MAX: usize = 16_384;

/// The stream's row bounds the positions, and with them the partitions that are visited.
const STREAM_BOUNDS: &str = "e.stream_id = $1 AND e.category = $2 \
    AND e.position >= (SELECT s.position_min FROM log.streams s WHERE s.id = $1 AND s.category = $2) \
    AND e.position <= (SELECT s.position_max FROM log.streams s WHERE s.id = $1 AND s.category = $2)";

pub(super) fn unavailable(attempt: &'static str, error: &tokio_postgres::Error) -> LogError {
    LogError::Unavailable { attempt, reason: describe(error) }
}

pub(super) async fn connection(shared: &Shared, attempt: &'static str) -> Result<Connection, LogError> {
    borrowed(&shared.pool, attempt).await
}

async fn borrowed(pool: &Pool, attempt: &'static str) -> Result<Connection, LogError> {
    pool.get().await.map_err(|error| LogError::Unavailable { attempt, reason: error.to_string() })
}

pub(super) async fn query(
    shared: &Shared,
    attempt: &'static str,
    sql: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, LogError> {
    let client = connection(shared, attempt).await?;
    let statement = client.prepare_cached(sql).await.map_err(|error| unavailable(attempt, &error))?;
    client.query(&statement, parameters).await.map_err(|error| unavailable(attempt, &error))
}

pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The events that `wanted` selects in the order of `order`, as many of the first as a page has. What has no room is looked at for its
/// size only.
pub(super) fn page_of(order: &str, wanted: &str) -> String {
    let bytes = "(octet_length(e.payload) + coalesce(octet_length(e.sealed), 0))";
    format!(
        "SELECT {COLUMNS} FROM (SELECT *, sum({bytes}) OVER (ORDER BY e.{order}) - {bytes} AS before \
            FROM (SELECT * FROM log.events e WHERE {wanted}) e) e \
         WHERE e.before < {PAGE_BYTES} ORDER BY e.{order}"
    )
}

fn page(limit: usize) -> i64 {
    i64::try_from(limit.min(PAGE_EVENTS_MAX)).unwrap_or(i64::MAX)
}

/// Warns when the server does not keep what it acknowledged: fine for tests, never for real.
pub(super) async fn warn_of_lost_durability(shared: &Shared) -> Result<(), LogError> {
    let attempt = "reading the server's settings";
    let rows = query(shared, attempt, "SELECT current_setting('fsync') <> 'on'", &[]).await?;
    if rows.first().is_some_and(|row| row.try_get(0).unwrap_or(true)) {
        tracing::warn!("PostgreSQL runs with fsync off: a crash of the machine loses acknowledged events");
    }
    Ok(())
}

/// Goes the way of an append with nothing in it: its lock, its tables, and a commit that reaches the disk; over a connection
/// of its own.
pub(super) async fn try_write(shared: &Shared) -> Result<(), LogError> {
    let attempt = "asking whether the log takes writes";
    if shared.metrics.is_failing() {
        return Err(LogError::Unavailable { attempt, reason: "the last append failed".to_owned() });
    }
    let known = shared.signals.position();
    // Statements that are sent together are one transaction.
    let sql = format!(
        "SET LOCAL synchronous_commit = on; \
         SELECT FROM log.append({known}, {}, ARRAY[]::log.new_group[], ARRAY[]::log.new_event[]); \
         SELECT pg_logical_emit_message(true, 'envoi', '')",
        i64::MAX
    );
    let client = borrowed(&shared.probe, attempt).await?;
    client.batch_execute(&sql).await.map_err(|error| unavailable(attempt, &error))
}

pub(super) async fn head(shared: &Shared) -> Result<Head, LogError> {
    let attempt = "reading the head of the log";
    let sql = "SELECT i.incarnation, coalesce(
            (SELECT max(e.position) FROM log.events e WHERE e.position >= $1),
            (SELECT max(e.position) FROM log.events e))
        FROM log.identity i";
    let known = signed(shared.signals.position());
    let rows = query(shared, attempt, sql, &[&known]).await?;
    let missing =
        || LogError::Corrupt { place: "log.identity".to_owned(), reason: "it has no row".to_owned() };
    let row = rows.first().ok_or_else(missing)?;
    let incarnation = row.try_get(0).map_err(|error| unavailable(attempt, &error))?;
    let position: Option<i64> = row.try_get(1).map_err(|error| unavailable(attempt, &error))?;
    let position = position.map(|at| Position::new(at.cast_unsigned()));
    Ok(Head { incarnation: Incarnation(incarnation), position })
}

pub(super) async fn find_command(
    shared: &Shared,
    command: CommandId,
) -> Result<Option<(Appended, Digest)>, LogError> {
    let sql = "SELECT c.position, e.revision, c.fingerprint, e.category, e.stream_id, c.count
        FROM log.commands c JOIN log.events e ON e.position = c.position WHERE c.id = $1";
    let rows = query(shared, "looking for a command", sql, &[&command.as_uuid()]).await?;
    let corrupt = |reason| LogError::Corrupt { place: format!("command {command}"), reason };
    rows.first().map(|row| recorded_command(row, 0, 1, 2, 3, 4, 5).map_err(corrupt)).transpose()
}

pub(super) async fn read_stream(
    shared: &Shared,
    stream: StreamId,
    from: Revision,
    limit: usize,
) -> Result<Vec<RecordedEvent>, LogError> {
    let sql =
        page_of("revision", &format!("{STREAM_BOUNDS} AND e.revision >= $3 ORDER BY e.revision LIMIT $4"));
    let from = signed(from.get());
    let rows = query(
        shared,
        "reading a stream",
        &sql,
        &[&stream.id, &category_code(stream.category), &from, &page(limit)],
    )
    .await?;
    rows.iter().map(rows::event).collect()
}

pub(super) async fn last_of_stream(
    shared: &Shared,
    stream: StreamId,
) -> Result<Option<RecordedEvent>, LogError> {
    let sql =
        format!("SELECT {COLUMNS} FROM log.events e WHERE {STREAM_BOUNDS} ORDER BY e.revision DESC LIMIT 1");
    let parameters: [&(dyn ToSql + Sync); 2] = [&stream.id, &category_code(stream.category)];
    let rows = query(shared, "reading the end of a stream", &sql, &parameters).await?;
    rows.first().map(rows::event).transpose()
}

/// As the database has it now, whatever is at hand: whoever asks wants to know whether it still is the same.
pub(super) async fn event_at(shared: &Shared, position: Position) -> Result<Option<RecordedEvent>, LogError> {
    let sql = format!("SELECT {COLUMNS} FROM log.events e WHERE e.position = $1");
    let rows = query(shared, "reading an event", &sql, &[&signed(position.get())]).await?;
    rows.first().map(rows::event).transpose()
}

pub(super) async fn read_all(
    shared: &Shared,
    after: Option<Position>,
    limit: usize,
    filter: &ReadFilter,
) -> Result<Vec<RecordedEvent>, LogError> {
    let mut after = after.map_or(0, Position::get);
    loop {
        let page = read_page(shared, after, limit, filter).await?;
        if !page.events.is_empty() || page.scanned_to <= after {
            return Ok(page.events);
        }
        after = page.scanned_to;
    }
}

/// What one query of the whole log found.
struct Page {
    events: Vec<RecordedEvent>,
    /// Up to here nothing more passes the filter. No further than the question when the log ends there.
    scanned_to: u64,
}

async fn read_page(shared: &Shared, after: u64, limit: usize, filter: &ReadFilter) -> Result<Page, LogError> {
    if let Some((events, scanned_to)) = shared.tail.after(after, limit, filter) {
        return Ok(Page { events, scanned_to });
    }
    if *filter == ReadFilter::all() {
        read_every(shared, after, limit).await
    } else {
        read_some(shared, after, limit, filter).await
    }
}

/// Positions are contiguous, so a page is a range; a gap in it would be a log that somebody has tampered with.
async fn read_every(shared: &Shared, after: u64, limit: usize) -> Result<Page, LogError> {
    let sql = page_of("position", "e.position > $1 AND e.position <= $2");
    let (from, to) = (signed(after), signed(after).saturating_add(page(limit)));
    let rows = query(shared, "reading the log", &sql, &[&from, &to]).await?;
    let events: Vec<_> = rows.iter().map(rows::event).collect::<Result<_, _>>()?;
    for (event, wanted) in events.iter().zip(after + 1..) {
        if event.position.get() != wanted {
            let (place, reason) = (format!("position {wanted}"), "the event is missing".to_owned());
            return Err(LogError::Corrupt { place, reason });
        }
    }
    let scanned_to = events.last().map_or(after, |event| event.position.get());
    shared.signals.known(scanned_to);
    Ok(Page { events, scanned_to })
}

/// Looks through a window at a time, so that events which do not pass are not looked at again and again.
async fn read_some(shared: &Shared, after: u64, limit: usize, filter: &ReadFilter) -> Result<Page, LogError> {
    let mut end = shared.signals.position();
    if end <= after {
        end = head(shared).await?.position.map_or(0, Position::get);
        shared.signals.known(end);
    }
    if end <= after {
        return Ok(Page { events: Vec::new(), scanned_to: after });
    }
    let to = end.min(after.saturating_add(FILTER_WINDOW));
    let codes: Vec<i16> = filter.categories.iter().copied().map(category_code).collect();
    let sql = page_of(
        "position",
        "e.position > $1 AND e.position <= $2 \
         AND (cardinality($3::smallint[]) = 0 OR e.category = ANY($3)) \
         AND (cardinality($4::text[]) = 0 OR e.event_type = ANY($4)) ORDER BY e.position LIMIT $5",
    );
    let limit = limit.min(PAGE_EVENTS_MAX);
    let parameters: [&(dyn ToSql + Sync); 5] =
        [&signed(after), &signed(to), &codes, &filter.event_types, &page(limit)];
    let rows = query(shared, "reading the log", &sql, &parameters).await?;
    let events: Vec<_> = rows.iter().map(rows::event).collect::<Result<_, _>>()?;
    let scanned_to = match events.last() {
        Some(last) if may_go_on(&events, limit) => last.position.get(),
        Some(_) | None => to,
    };
    Ok(Page { events, scanned_to })
}

/// Follows the log: pages for as long as there are any, then whatever the writers say is new.
pub(super) struct PgSubscription {
    shared: Arc<Shared>,
    after: u64,
    filter: ReadFilter,
    /// Whether `after` was the end of the log when that was last looked for.
    was_end: bool,
}

impl PgSubscription {
    pub(super) fn new(shared: Arc<Shared>, after: Option<Position>, filter: ReadFilter) -> Self {
        Self { shared, after: after.map_or(0, Position::get), filter, was_end: false }
    }
}

#[async_trait]
impl Subscription for PgSubscription {
    async fn next(&mut self, limit: usize) -> Result<Vec<RecordedEvent>, LogError> {
        loop {
            // A follower meets the end with every few events of a busy log: asking the database each time would cost more
            // than it takes to read them. Whoever writes says so.
            if self.was_end {
                self.shared.signals.beyond(self.after).await;
            }
            let page = read_page(&self.shared, self.after, limit.max(1), &self.filter).await?;
            self.was_end = !may_go_on(&page.events, limit.clamp(1, PAGE_EVENTS_MAX));
            self.after = page.scanned_to;
            if !page.events.is_empty() {
                return Ok(page.events);
            }
        }
    }
}
