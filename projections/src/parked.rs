//! What projections put aside, as the database says: the same from every process.

use domain::Timestamp;
use eventstore_schema::Position;
use eventstore_schema::database::Config;
use tokio_postgres::Client;

use crate::batch::name_digest;
use crate::cell::Sql;
use crate::checkpoint::get;
use crate::projections::{StatusError, connect};
use crate::projector::Projector;
use crate::store::StoreError;

/// A stream that a projection put aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedStream {
    /// The projection.
    pub projection: String,
    /// The stream's name.
    pub stream: String,
    /// Position of the event that could not be folded.
    pub position: Position,
    /// Its type.
    pub event_type: String,
    /// Why not, the last time that it was tried.
    pub reason: String,
    /// How often folding it was tried.
    pub attempts: u32,
    /// When it was put aside.
    pub since: Timestamp,
    /// Events that wait, with the first.
    pub events: u64,
}

impl ParkedStream {
    /// What names it in a [`domain::operations::commands::ParkedStream`]. Recording that command's event is how an operator
    /// retries or discards: the projection's leader acts when it meets the event.
    pub fn command(&self) -> domain::operations::commands::ParkedStream {
        domain::operations::commands::ParkedStream {
            projection: name_digest(&self.projection),
            stream: name_digest(&self.stream),
            position: self.position.get(),
        }
    }
}

/// Every stream that this release's projections put aside, oldest first.
///
/// # Errors
/// When the database cannot be reached.
pub async fn parked(config: &Config) -> Result<Vec<ParkedStream>, StatusError> {
    let client = connect(config).await?;
    let mut streams = Vec::new();
    for projector in crate::registry() {
        streams.extend(of(&client, &*projector).await?);
    }
    streams.sort_by_key(|stream| stream.position);
    Ok(streams)
}

/// The parked streams of one projection, as the client's transaction sees them, oldest first.
pub(crate) async fn of(client: &Client, projector: &dyn Projector) -> Result<Vec<ParkedStream>, StoreError> {
    const SQL: &str = "SELECT DISTINCT ON (stream) projection, stream, position, event_type, \
         coalesce(reason, '') AS reason, attempts, (extract(epoch FROM parked_at) * 1000000)::bigint AS since, \
         count(*) OVER (PARTITION BY stream) AS events FROM projection.parked_events \
         WHERE projection = $1 AND fingerprint = $2 ORDER BY stream, position";
    let failed = || StoreError::at("reading what is parked");
    let rows = client.query(SQL, &[&projector.name(), &Sql(projector.fingerprint())]).await;
    let rows = rows.map_err(failed())?;
    let read = |row| {
        Ok(ParkedStream {
            projection: get(row, "projection")?,
            stream: get(row, "stream")?,
            position: get(row, "position")?,
            event_type: get(row, "event_type")?,
            reason: get(row, "reason")?,
            attempts: get(row, "attempts")?,
            since: get(row, "since")?,
            events: get(row, "events")?,
        })
    };
    let mut streams: Vec<ParkedStream> = rows.iter().map(read).collect::<Result<_, _>>().map_err(failed())?;
    streams.sort_by_key(|stream| stream.position);
    Ok(streams)
}
