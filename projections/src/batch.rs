//! Folding a batch: what live and rebuild have in common.

use std::collections::HashSet;
use std::error::Error;

use domain::{Digest, OrganizationId};
use eventstore_schema::{Position, RecordedEvent, StreamId};
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

use crate::cell::Sql;
use crate::checkpoint::{Mark, get};
use crate::projector::{Item, Projector};
use crate::rows::{Keys, Pending, Rows, Wanted};
use crate::store::{Store, StoreError};

/// An event that waits: it could not be folded, or it comes behind one of its stream that could not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parked {
    pub(crate) position: Position,
    /// The organization that the event belongs to, if any.
    pub(crate) organization_id: Option<OrganizationId>,
    pub(crate) stream: StreamId,
    pub(crate) revision: u64,
    pub(crate) event_type: String,
    /// Why it could not be folded; none for those that queue behind.
    pub(crate) reason: Option<String>,
}

/// What a batch comes to.
pub(crate) struct Outcome {
    pub(crate) pending: Vec<Pending>,
    pub(crate) parked: Vec<Parked>,
}

impl Outcome {
    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty() && self.parked.is_empty()
    }
}

/// The place of a batch's last event.
pub(crate) fn mark_of(items: &[Item]) -> Option<Mark> {
    let last = items.last()?.recorded();
    Some(Mark { position: last.position, hash: last.hash })
}

/// Folds a batch: loads the rows that its events touch, applies the events in order. Events of the streams in `parked` and
/// those that cannot be folded are put aside.
pub(crate) async fn fold(
    projector: &dyn Projector,
    store: &mut Store,
    schema: &str,
    items: &[Item],
    parked: &HashSet<StreamId>,
    trusts_fresh: bool,
) -> Result<Outcome, StoreError> {
    let mut folding = Folding::begin(projector, items, parked, trusts_fresh);
    folding.load(store, schema).await?;
    Ok(folding.apply())
}

/// A batch on its way through the fold, step by step.
pub(crate) struct Folding<'a> {
    projector: &'a dyn Projector,
    items: &'a [Item],
    parked: &'a HashSet<StreamId>,
    rows: Rows,
    wanted: Vec<Wanted>,
}

impl<'a> Folding<'a> {
    /// Asks which rows the events touch.
    pub(crate) fn begin(
        projector: &'a dyn Projector,
        items: &'a [Item],
        parked: &'a HashSet<StreamId>,
        trusts_fresh: bool,
    ) -> Self {
        let mut rows = Rows::new(projector.tables());
        if !trusts_fresh {
            rows.distrust_fresh();
        }
        for item in items {
            if let Item::Event(event) = item
                && !parked.contains(&event.recorded.stream)
            {
                // A table that the projector does not list is refused again, and its event parked, when it is applied.
                projector.keys(event, &mut Keys::new(&mut rows));
            }
        }
        let wanted = rows.wanted();
        Self { projector, items, parked, rows, wanted }
    }

    /// Tables in which rows are sought.
    pub(crate) fn sought(&self) -> HashSet<&'static str> {
        self.wanted.iter().map(|wanted| wanted.table.name).collect()
    }

    /// Loads the rows.
    pub(crate) async fn load(&mut self, store: &mut Store, schema: &str) -> Result<(), StoreError> {
        if self.wanted.is_empty() {
            return Ok(());
        }
        store.load(schema, &self.wanted, &mut self.rows).await
    }

    /// Applies the events.
    pub(crate) fn apply(mut self) -> Outcome {
        let mut aside = Vec::new();
        let mut newly = HashSet::new();
        for item in self.items {
            let recorded = item.recorded();
            let queues = self.parked.contains(&recorded.stream) || newly.contains(&recorded.stream);
            if queues {
                aside.push(put_aside(recorded, None));
            } else if let Some(reason) = apply(self.projector, item, &mut self.rows) {
                newly.insert(recorded.stream);
                aside.push(put_aside(recorded, Some(reason)));
            }
        }
        Outcome { pending: self.rows.drain(), parked: aside }
    }
}

/// Applies one event; why it could not be.
fn apply(projector: &dyn Projector, item: &Item, rows: &mut Rows) -> Option<String> {
    match item {
        Item::Event(event) => {
            rows.begin(event.position());
            let error = projector.apply(event, rows).err()?;
            rows.roll_back();
            Some(chain(&error))
        }
        Item::Undecodable(failed) => Some(chain(&failed.cause)),
    }
}

fn put_aside(recorded: &RecordedEvent, reason: Option<String>) -> Parked {
    Parked {
        position: recorded.position,
        organization_id: recorded.origin.organization_id,
        stream: recorded.stream,
        revision: recorded.revision.get(),
        event_type: recorded.event_type.clone(),
        reason,
    }
}

/// An error with its causes in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// BLAKE3 of a name, as operators' events name projections and streams.
pub(crate) fn name_digest(name: &str) -> Digest {
    Digest::from_bytes(*blake3::hash(name.as_bytes()).as_bytes())
}

/// Records parked events, in the transaction that is open. One that is parked already keeps since when, and counts the
/// attempt.
pub(crate) async fn store_parked(
    client: &Client,
    projector: &dyn Projector,
    parked: &[Parked],
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO projection.parked_events AS known \
         (projection, position, stream, revision, event_type, reason, attempts, fingerprint, organization_id) \
         VALUES ($1, $2, $3, $4, $5, $6::text, ($6::text IS NOT NULL)::int, $7, $8) \
         ON CONFLICT (projection, fingerprint, position) \
         DO UPDATE SET reason = excluded.reason, attempts = known.attempts + excluded.attempts";
    let (name, fingerprint) = (projector.name(), Sql(projector.fingerprint()));
    for one in parked {
        let (position, revision) = (Sql(one.position), Sql(one.revision));
        let (stream, organization) = (one.stream.to_string(), Sql(one.organization_id));
        let values: [&(dyn ToSql + Sync); 8] =
            [&name, &position, &stream, &revision, &one.event_type, &one.reason, &fingerprint, &organization];
        client.execute(SQL, &values).await.map_err(StoreError::at("parking an event"))?;
    }
    Ok(())
}

/// The streams that are parked.
pub(crate) async fn parked_streams(
    client: &Client,
    projector: &dyn Projector,
) -> Result<HashSet<StreamId>, StoreError> {
    const SQL: &str = "SELECT DISTINCT stream FROM projection.parked_events \
         WHERE projection = $1 AND fingerprint = $2";
    let failed = || StoreError::at("reading which streams are parked");
    let rows = client.query(SQL, &[&projector.name(), &Sql(projector.fingerprint())]).await;
    let rows = rows.map_err(failed())?;
    // A name that is no stream's cannot have been written here.
    Ok(rows.iter().filter_map(|row| row.try_get::<_, &str>(0).ok()?.parse().ok()).collect())
}

/// Position and revision of a stream's parked events, in order.
pub(crate) async fn parked_of(
    client: &Client,
    projector: &dyn Projector,
    stream: StreamId,
) -> Result<Vec<(Position, u64)>, StoreError> {
    const SQL: &str = "SELECT position, revision FROM projection.parked_events \
         WHERE projection = $1 AND fingerprint = $2 AND stream = $3 ORDER BY position";
    let failed = || StoreError::at("reading a parked stream");
    let (name, fingerprint) = (projector.name(), Sql(projector.fingerprint()));
    let rows = client.query(SQL, &[&name, &fingerprint, &stream.to_string()]).await.map_err(failed())?;
    let read = |row| Ok((get(row, "position")?, get(row, "revision")?));
    rows.iter().map(read).collect::<Result<_, _>>().map_err(failed())
}

/// Forgets parked events of a stream (`None`: of all) that are not among those that stay, in the transaction that is open.
pub(crate) async fn clear_parked(
    client: &Client,
    projector: &dyn Projector,
    stream: Option<StreamId>,
    staying: &[Parked],
) -> Result<(), StoreError> {
    const ALL: &str = "DELETE FROM projection.parked_events \
         WHERE projection = $1 AND fingerprint = $3 AND position <> ALL ($2)";
    const OF_STREAM: &str = "DELETE FROM projection.parked_events \
         WHERE projection = $1 AND fingerprint = $3 AND position <> ALL ($2) AND stream = $4";
    let (name, fingerprint) = (projector.name(), Sql(projector.fingerprint()));
    let staying: Vec<_> = staying.iter().map(|one| Sql(one.position)).collect();
    let cleared = match stream {
        None => client.execute(ALL, &[&name, &staying, &fingerprint]).await,
        Some(stream) => {
            client.execute(OF_STREAM, &[&name, &staying, &fingerprint, &stream.to_string()]).await
        }
    };
    cleared.map_err(StoreError::at("clearing what was parked"))?;
    Ok(())
}
