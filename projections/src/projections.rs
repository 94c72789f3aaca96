//! All projections of one process: running them, asking how far they are, waiting for them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::Digest;
use eventstore_schema::database::Config;
use eventstore_schema::database::{self, Role};
use eventstore_schema::lease::{self, Leases};
use eventstore_schema::{EventLog, Incarnation, LogError, Position};
use tokio::task::JoinHandle;
use tokio_postgres::Client;

use crate::checkpoint::{Checkpoint, Layout, get};
use crate::distance::events_after;
use crate::feed::Feed;
use crate::metrics::Metrics;
use crate::progress::{Gauge, Progress, State, WaitError};
use crate::projector::Projector;
use crate::rebuild;
use crate::retirement;
use crate::runner::{self, Context};
use crate::store::{Store, StoreError};
use crate::structure::{self, Difference};

/// The projections that a process runs or stands by for. Dropping it stops them; what they committed stays.
pub struct Projections {
    running: Vec<(Arc<Context>, JoinHandle<()>)>,
    using: JoinHandle<()>,
}

impl Projections {
    /// Starts `projectors`, each as a task with a connection of its own. A process without leases does not lead but watches,
    /// so that waiting works in it.
    pub fn start(
        config: &Config,
        feed: &Arc<Feed>,
        projectors: Vec<Arc<dyn Projector>>,
        metrics: &Metrics,
        leases: Option<&Leases>,
    ) -> Self {
        let times = retirement::Times::default();
        Self::start_with(config, feed, projectors, metrics, leases, times)
    }

    /// The same with other times after which read models count as unused.
    pub(crate) fn start_with(
        config: &Config,
        feed: &Arc<Feed>,
        projectors: Vec<Arc<dyn Projector>>,
        metrics: &Metrics,
        leases: Option<&Leases>,
        times: retirement::Times,
    ) -> Self {
        let using = retirement::run(config.clone(), projectors.clone(), leases.is_some(), times);
        let using = tokio::spawn(using);
        let start = |projector| {
            let context = Arc::new(Context {
                config: config.clone(),
                feed: Arc::clone(feed),
                projector,
                gauge: Gauge::new(),
                metrics: metrics.clone(),
                leases: leases.cloned(),
            });
            (Arc::clone(&context), tokio::spawn(runner::run(context)))
        };
        Self { running: projectors.into_iter().map(start).collect(), using }
    }

    /// Where each projection is, as this process sees it.
    pub fn progress(&self) -> Vec<(&'static str, Progress)> {
        self.running.iter().map(|(context, _)| (context.name(), context.gauge.get())).collect()
    }

    /// Waits until queries see the event at `position` through `projection`.
    ///
    /// # Errors
    /// See [`WaitError`].
    pub async fn wait_for(
        &self,
        projection: &str,
        position: Position,
        timeout: Duration,
    ) -> Result<(), WaitError> {
        let found = self.running.iter().find(|(context, _)| context.name() == projection);
        let (context, _) = found.ok_or_else(|| WaitError::Unknown(projection.to_owned()))?;
        context.gauge.wait_for(position, timeout).await
    }

    /// Waits until queries see the event at `position` through every projection.
    ///
    /// # Errors
    /// See [`WaitError`].
    pub async fn wait_for_all(&self, position: Position, timeout: Duration) -> Result<(), WaitError> {
        let waits = self.running.iter().map(|(context, _)| context.gauge.wait_for(position, timeout));
        futures_util::future::try_join_all(waits).await.map(|_| ())
    }
}

impl Drop for Projections {
    fn drop(&mut self) {
        self.running.iter().for_each(|(_, task)| task.abort());
        self.using.abort();
    }
}

/// How far the events are counted that a projection is behind: further, the number would cost more than it tells.
pub const LAG_EVENTS_MAX: usize = 10_000;

/// The state of a projection that no process leads.
pub const LEADERLESS: &str = "leaderless";

/// Where a projection is, as the database says: the same from every process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The projection.
    pub projection: String,
    /// Whether it is this release's; otherwise that of another one, whose processes still use it or did a while ago.
    pub is_current: bool,
    /// Number of its live tables' schema.
    pub generation: i32,
    /// What it does now: `diverged` where the log is not the one that was folded, whoever noticed, `leaderless` where nobody goes
    /// on with it, else what its leader says: `following`, `rebuilding`, `failing`.
    pub state: String,
    /// The last event that was saved as folded.
    pub position: Option<Position>,
    /// Events that the log is ahead, counted up to [`LAG_EVENTS_MAX`]. Progress over events that change nothing is saved now
    /// and then only, so this may show a few hundred milliseconds of lag that is none.
    pub lag: usize,
    /// Streams that are parked.
    pub parked_streams: u64,
    /// Events in them.
    pub parked_events: u64,
    /// What keeps it from going on.
    pub error: Option<String>,
    /// Host and process that lead it.
    pub led_by: Option<String>,
    /// Host and process that fill its tables anew, or compare them with the log.
    pub rebuilt_by: Option<String>,
}

/// Why the status cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// PostgreSQL cannot be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log cannot be asked.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Where every projection is.
///
/// # Errors
/// When the database or the log cannot be reached.
pub async fn status(config: &Config, log: &dyn EventLog) -> Result<Vec<Status>, StatusError> {
    const SQL: &str = "SELECT c.name, c.fingerprint, c.generation, c.state, c.position, c.error, \
         count(DISTINCT p.stream) AS streams, count(p.stream) AS events FROM projection.checkpoints AS c \
         LEFT JOIN projection.parked_events AS p ON p.projection = c.name AND p.fingerprint = c.fingerprint \
         GROUP BY c.name, c.fingerprint ORDER BY c.name, c.generation";
    let failed = || StoreError::at("reading the projections' status");
    let client = connect(config).await?;
    let rows = client.query(SQL, &[]).await.map_err(failed())?;
    let holders = lease::holders(&client).await.map_err(failed())?;
    let current: HashMap<_, _> =
        crate::registry().iter().map(|one| (one.name(), one.fingerprint())).collect();
    let read = |row| {
        let (name, fingerprint): (String, Digest) = (get(row, "name")?, get(row, "fingerprint")?);
        let (lead, rebuild) = (runner::lease_name(&name, fingerprint), rebuild::lease_name(&name));
        let position: Option<Position> = get(row, "position")?;
        Ok(Status {
            is_current: current.get(name.as_str()) == Some(&fingerprint),
            projection: name,
            generation: get(row, "generation")?,
            state: get(row, "state")?,
            position,
            lag: 0,
            parked_streams: get(row, "streams")?,
            parked_events: get(row, "events")?,
            error: get(row, "error")?,
            led_by: holders.get(&lead).cloned(),
            rebuilt_by: holders.get(&rebuild).cloned(),
        })
    };
    let mut all = rows.iter().map(read).collect::<Result<Vec<_>, _>>().map_err(failed())?;
    for status in &mut all {
        status.lag = events_after(log, status.position, LAG_EVENTS_MAX).await?;
        let checkpoints = Checkpoint::of_every_release(&client, &status.projection).await?;
        let checkpoint = checkpoints.iter().find(|checkpoint| checkpoint.generation == status.generation);
        let divergence = match checkpoint {
            Some(checkpoint) => checkpoint.compare(log).await?,
            None => None,
        };
        judge(status, divergence);
    }
    Ok(all)
}

/// What the read models know of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Witness {
    /// What contradicts the furthest of those that were folded from it: it ends earlier, or has another event there.
    pub contradiction: Option<String>,
    /// Another log that some were folded from.
    pub other: Option<Incarnation>,
}

/// Asks the read models about a log, through a connection in role [`Role::Projector`].
///
/// # Errors
/// When the database or the log cannot be reached.
pub async fn witness(client: &Client, log: &dyn EventLog) -> Result<Witness, StatusError> {
    let incarnation = log.head().await?.incarnation;
    let mut all = Vec::new();
    for projector in crate::registry() {
        all.extend(Checkpoint::read(client, &*projector).await?);
    }
    if all.is_empty() {
        // A new release has folded nothing yet: another's have seen the log.
        all = Checkpoint::all(client).await?;
    }
    let (own, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| one.incarnation == incarnation);
    let contradiction = match own.into_iter().max_by_key(Checkpoint::position) {
        Some(furthest) => furthest.compare(log).await?,
        None => None,
    };
    Ok(Witness { contradiction, other: others.first().map(|one| one.incarnation) })
}

/// Replaces what a leader last said by what is so now.
fn judge(status: &mut Status, divergence: Option<String>) {
    let is_led = status.led_by.is_some() || status.rebuilt_by.is_some();
    if let Some(divergence) = divergence {
        (status.state, status.error) = (State::Diverged.as_str().to_owned(), Some(divergence));
    } else if !is_led {
        // What the last leader met, the next may not meet.
        (status.state, status.error) = (LEADERLESS.to_owned(), None);
    }
}

/// Relations of every projection that are not as they are defined: dropped, or changed by somebody else.
///
/// # Errors
/// When PostgreSQL cannot be reached. Projections that never ran are left out.
pub async fn differences(config: &Config) -> Result<Vec<(&'static str, Vec<Difference>)>, StoreError> {
    let store = Store::connect(config).await?;
    let mut all = Vec::new();
    for projector in crate::registry() {
        if let Some(found) = differences_of(&store, &*projector).await? {
            all.push((projector.name(), found));
        }
    }
    Ok(all)
}

/// Those of one projection; nothing of one that never ran.
async fn differences_of(
    store: &Store,
    projector: &dyn Projector,
) -> Result<Option<Vec<Difference>>, StoreError> {
    loop {
        let Some(checkpoint) = Checkpoint::read(&store.client, projector).await? else { return Ok(None) };
        let live = Layout(projector).schema(checkpoint.generation);
        let found = structure::compare(store, projector, &live).await?;
        // A rebuild that switched meanwhile has taken away what was looked at; it takes far longer than looking.
        let now = Checkpoint::read(&store.client, projector).await?;
        if found.is_empty() || now.is_some_and(|now| now.generation == checkpoint.generation) {
            return Ok(Some(found));
        }
    }
}

pub(crate) async fn connect(config: &Config) -> Result<tokio_postgres::Client, StoreError> {
    let config = database::in_role(config, Role::Projector);
    database::connect(&config).await.map_err(StoreError::at("connecting"))
}
