//! Reading many streams together: first where each of them goes on behind a position, then the first events of all.

use std::collections::BTreeSet;

use tokio_postgres::Row;
use tokio_postgres::types::FromSql;
use uuid::Uuid;

use super::Shared;
use super::reader::{PAGE_EVENTS_MAX, query, signed, unavailable};
use super::rows::{self, COLUMNS, category_code};
use crate::envelope::{Position, StreamId};
use crate::log::{LogError, PageLimits, StreamsPage};

const ATTEMPT: &str = "reading streams together";

/// Columns of an event.
const EVENT_COLUMNS: usize = 19;

/// The streams with news behind $3, where each ends, and the revision of its first event there. In a stream positions rise with
/// revisions: looks back from the end in steps that double, then halves what is left. Only partitions behind $3 are visited: a
/// revision that is in none of them is not behind it.
const NEWS: &str = "WITH RECURSIVE search (n, id, category, ends, low, high, step) AS (
    SELECT a.n, s.id, s.category, s.position_max, -1::bigint,
        CASE WHEN s.position_min > $3 THEN 0 ELSE s.revision END, 1::bigint
      FROM unnest($1::uuid[], $2::smallint[]) WITH ORDINALITY AS a(id, category, n)
      JOIN log.streams s ON s.id = a.id AND s.category = a.category AND s.position_max > $3 AND s.position_min <= $4
  UNION ALL
    SELECT q.n, q.id, q.category, q.ends,
        CASE WHEN p.behind THEN q.low ELSE m.middle END,
        CASE WHEN p.behind THEN m.middle ELSE q.high END,
        CASE WHEN p.behind AND q.step < 1073741824 THEN q.step * 2 ELSE 4611686018427387904 END
      FROM search q
      CROSS JOIN LATERAL (SELECT greatest((q.low + q.high) / 2, q.high - q.step) AS middle OFFSET 0) m
      CROSS JOIN LATERAL (SELECT EXISTS (
          SELECT FROM log.events e
            WHERE e.stream_id = q.id AND e.category = q.category AND e.revision = m.middle
              AND e.position > $3 AND e.position <= q.ends
        ) AS behind OFFSET 0) p
      WHERE q.low + 1 < q.high
  )
  SELECT q.n, q.high, q.ends, f.position FROM search q
    JOIN log.events f ON f.stream_id = q.id AND f.category = q.category AND f.revision = q.high
      AND f.position > $3 AND f.position <= q.ends
    WHERE q.low + 1 >= q.high AND f.position <= $4";

/// The first events of streams from a revision each. Only where they stand and how large they are is looked at of those that
/// have no room in the page. The last column tells how many there are, up to one more than asked for.
fn page_sql() -> String {
    format!(
        "SELECT {COLUMNS}, f.found FROM (
            SELECT l.position, sum(l.bytes) OVER (ORDER BY l.position) AS bytes,
                row_number() OVER (ORDER BY l.position) AS n, count(*) OVER () AS found
              FROM (
                SELECT t.position, t.bytes
                  FROM unnest($1::uuid[], $2::smallint[], $3::bigint[]) AS a(id, category, first)
                  CROSS JOIN LATERAL (
                    SELECT e.position, octet_length(e.payload) + coalesce(octet_length(e.sealed), 0) AS bytes
                      FROM log.events e
                      WHERE e.stream_id = a.id AND e.category = a.category AND e.revision >= a.first
                        AND e.position > $4 AND e.position <= $5
                      ORDER BY e.revision LIMIT $6::bigint + 1
                  ) t
                  ORDER BY t.position LIMIT $6::bigint + 1
              ) l
          ) f JOIN log.events e ON e.position = f.position
          WHERE f.n <= $6::bigint AND (f.n = 1 OR f.bytes <= $7::bigint)
          ORDER BY f.position"
    )
}

/// A stream that has news, the revision and the position from which on, and a position behind which it has none.
struct News {
    stream: StreamId,
    first: i64,
    begins: Position,
    ends: Position,
}

fn column<'a, T: FromSql<'a>>(row: &'a Row, index: usize) -> Result<T, LogError> {
    row.try_get(index).map_err(|error| unavailable(ATTEMPT, &error))
}

/// See [`crate::EventLog::read_streams`].
pub(super) async fn read_streams(
    shared: &Shared,
    streams: &[StreamId],
    after: Option<Position>,
    until: Position,
    limits: PageLimits,
) -> Result<StreamsPage, LogError> {
    let streams: Vec<StreamId> = streams.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    let after = signed(after.map_or(0, Position::get));
    let mut news = news(shared, &streams, after, until).await?;
    if news.is_empty() {
        return Ok(StreamsPage { events: Vec::new(), reached: until, rest: Vec::new() });
    }
    news.sort_unstable_by_key(|news| news.begins);
    let limit = limits.events.clamp(1, PAGE_EVENTS_MAX);
    // As many streams as a page has events fill it with their first ones alone: none that begins later is in it.
    let near = news.get(..limit).unwrap_or(&news);
    let bound = match near.last() {
        Some(last) if near.len() < news.len() => last.begins,
        Some(_) | None => until,
    };
    let (ids, categories) = keys(near.iter().map(|news| news.stream));
    let firsts: Vec<i64> = near.iter().map(|news| news.first).collect();
    let limit = signed(limit as u64);
    let (until_, bytes) = (signed(bound.get()), signed(limits.bytes as u64));
    let rows =
        query(shared, ATTEMPT, &page_sql(), &[&ids, &categories, &firsts, &after, &until_, &limit, &bytes])
            .await?;
    let events: Vec<_> = rows.iter().map(rows::event).collect::<Result<_, _>>()?;
    let found: i64 = rows.first().map_or(Ok(0), |row| column(row, EVENT_COLUMNS))?;
    let is_cut = bound < until || usize::try_from(found).is_ok_and(|found| found > events.len());
    let reached = events.last().filter(|_| is_cut).map_or(until, |last| last.position);
    let rest =
        news.into_iter().filter(|news| is_cut && news.ends > reached).map(|news| news.stream).collect();
    Ok(StreamsPage { events, reached, rest })
}

async fn news(
    shared: &Shared,
    streams: &[StreamId],
    after: i64,
    until: Position,
) -> Result<Vec<News>, LogError> {
    let (ids, categories) = keys(streams.iter().copied());
    let rows = query(shared, ATTEMPT, NEWS, &[&ids, &categories, &after, &signed(until.get())]).await?;
    let read = |row: &Row| {
        let number: i64 = column(row, 0)?;
        let stream = usize::try_from(number - 1).ok().and_then(|index| streams.get(index)).copied();
        let (first, ends, begins): (i64, i64, i64) = (column(row, 1)?, column(row, 2)?, column(row, 3)?);
        let (begins, ends) = (Position::new(begins.cast_unsigned()), Position::new(ends.cast_unsigned()));
        Ok(stream.map(|stream| News { stream, first, begins, ends }))
    };
    rows.iter().filter_map(|row| read(row).transpose()).collect()
}

fn keys(streams: impl Iterator<Item = StreamId>) -> (Vec<Uuid>, Vec<i16>) {
    streams.map(|stream| (stream.id, category_code(stream.category))).unzip()
}
