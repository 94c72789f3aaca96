//! The rows of the write side's indexes that events make, and making all of them anew.

use domain::Event;
use eventstore_schema::database::Pool;
use eventstore_schema::{EventLog, Position, ReadFilter, RecordedEvent, catalogue};
use futures_util::future::try_join_all;
use tokio_postgres::types::ToSql;

use super::{ReactionError, membership_index, session_revoke};

/// Events that are read, and whose rows are written, together.
const PAGE_EVENTS: usize = 1_000;

/// One statement of an index's table, with its values.
pub(super) struct Change {
    pub(super) sql: &'static str,
    pub(super) values: Vec<Box<dyn ToSql + Sync + Send>>,
}

impl Change {
    pub(super) fn new(sql: &'static str, values: Vec<Box<dyn ToSql + Sync + Send>>) -> Self {
        Self { sql, values }
    }

    pub(super) fn values(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.values.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect()
    }
}

/// What an event changes in any index.
fn change(recorded: &RecordedEvent, event: &Event) -> Result<Option<Change>, ReactionError> {
    match event {
        Event::Session(event) => Ok(session_revoke::change(event)),
        event => membership_index::change(recorded, event),
    }
}

/// Makes the indexes of memberships and sessions anew from the log, all or nothing: what events made that the log does not have is
/// gone. `report` is told how far it is. Gives how many events made rows. No reaction may run meanwhile.
///
/// # Errors
/// When the log or the tables cannot be reached; nothing has changed then.
pub async fn rebuild_indexes(
    pool: &Pool,
    log: &dyn EventLog,
    report: &(dyn Fn(Position) + Sync),
) -> Result<u64, ReactionError> {
    let connection = pool.get().await?;
    connection.begin().await?;
    let empty = "DELETE FROM write.conversation_members_by_account; DELETE FROM write.workspace_members_by_account; \
                 DELETE FROM write.sessions_by_account";
    connection.batch_execute(empty).await?;
    let event_types = [membership_index::EVENT_TYPES, session_revoke::INDEXED_TYPES].concat();
    let filter = ReadFilter { event_types, ..ReadFilter::default() };
    let (mut after, mut made) = (None, 0);
    loop {
        let page = log.read_all(after, PAGE_EVENTS, &filter).await?;
        let Some(last) = page.last().map(|last| last.position) else { break };
        after = Some(last);
        let mut changes = Vec::with_capacity(page.len());
        for recorded in &page {
            // Whoever reacts sets aside what cannot be read, and makes its row when it can.
            match catalogue::decode_recorded(recorded) {
                Ok(event) => changes.extend(change(recorded, &event)?),
                Err(error) => {
                    tracing::warn!(%error, position = %recorded.position, "an event makes no row of an index");
                }
            }
        }
        made += changes.len() as u64;
        // Sent one behind the other, and done in that order.
        let client = connection.client()?;
        try_join_all(changes.iter().map(|change| async move {
            let statement = client.prepare_cached(change.sql).await?;
            client.execute(&statement, &change.values()).await
        }))
        .await?;
        report(last);
    }
    connection.commit().await?;
    Ok(made)
}
