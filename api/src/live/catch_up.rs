//! Hands a resuming socket what it missed, in order, and lets it follow from then on: complete, or not at all.

use std::sync::Arc;

use eventstore_schema::{Position, ReadFilter};
use projections::Item;

use super::Shared;
use super::connection::Connection;
use super::entry::Entry;
use super::frames::{Closing, Outgoing, ResetReason};
use super::hub::Step;
use crate::limits::{LIVE_CATCH_UP_EVENTS_MAX, LIVE_CATCH_UP_PAGE_EVENTS, LIVE_CATCH_UP_WAIT_MAX};

/// Catches up from behind `after`.
///
/// # Errors
/// The reset that the client has to be told of, when too much was missed; the socket does not follow then.
pub(super) async fn catch_up(
    shared: &Shared,
    connection: &Arc<Connection>,
    after: Option<Position>,
) -> Result<(), ResetReason> {
    let work = all(shared, connection, after);
    tokio::time::timeout(LIVE_CATCH_UP_WAIT_MAX, work).await.unwrap_or(Err(ResetReason::TooOld))
}

async fn all(
    shared: &Shared,
    connection: &Arc<Connection>,
    mut after: Option<Position>,
) -> Result<(), ResetReason> {
    let mut budget = LIVE_CATCH_UP_EVENTS_MAX;
    loop {
        let step = shared.hub().step(connection, after);
        match step {
            Step::Following => return Ok(()),
            Step::Deliver(entries, upto) => {
                deliver(connection, entries).await;
                after = upto;
            }
            Step::ReadLog => after = read_log(shared, connection, after, &mut budget).await?,
        }
    }
}

async fn deliver(connection: &Connection, entries: Vec<Arc<Entry>>) {
    for entry in entries {
        if !connection.put(Outgoing::Event(entry)).await {
            return;
        }
    }
}

/// Hands on a page of the log. Returns where it ends.
async fn read_log(
    shared: &Shared,
    connection: &Arc<Connection>,
    after: Option<Position>,
    budget: &mut usize,
) -> Result<Option<Position>, ResetReason> {
    let _permit = shared.readers.acquire().await.map_err(|_| ResetReason::TooOld)?;
    let page = shared.feed.log().read_all(after, LIVE_CATCH_UP_PAGE_EVENTS, &ReadFilter::all()).await;
    let page = match page {
        Ok(page) => page,
        Err(error) => {
            // The client keeps its cursor and comes again.
            tracing::warn!(%error, "a live socket cannot catch up");
            connection.cut(Closing::GoingAway);
            return std::future::pending().await;
        }
    };
    // Memory begins later than the log ends: this is not the log that the cursor is of.
    let last = page.last().map(|event| event.position).ok_or(ResetReason::OtherLog)?;
    *budget = budget.checked_sub(page.len()).ok_or(ResetReason::TooOld)?;
    let mut entries = Vec::new();
    for event in page {
        if let Item::Event(decoded) = Item::new(event) {
            let entry = Arc::new(Entry::new(decoded));
            if shared.hub().admits(connection.account_id, &entry) {
                entries.push(entry);
            }
        }
    }
    deliver(connection, entries).await;
    Ok(Some(last))
}
