//! How far a projection is from the end of the log. Positions are ordered and say no more: engines may leave gaps between
//! them, so events are counted.

use eventstore_schema::{EventLog, LogError, Position, ReadFilter};

/// Events read at once to be counted.
const PAGE_EVENTS: usize = 5_000;

/// Events behind `after`, counted no further than `max`.
pub(crate) async fn events_after(
    log: &dyn EventLog,
    mut after: Option<Position>,
    max: usize,
) -> Result<usize, LogError> {
    let mut count = 0;
    while count < max {
        let page = log.read_all(after, PAGE_EVENTS.min(max - count), &ReadFilter::all()).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.position);
        count += page.len();
    }
    Ok(count)
}
