//! Whether the log that is found is the one that the installation knows: an older one, as after a restore of the log alone, or
//! another one takes no writes until an operator says that it is to go on with. What is written before would be lost, or
//! stand at places where read models, clients and other servers have seen something else.

use std::sync::Arc;
use std::time::Duration;

use commands::reactions::{self, ReactionError};
use eventstore_schema::database::{self, Pool, Role};
use eventstore_schema::{EventLog, Head, LogError, Refusal};
use projections::StatusError;
use prometheus::{IntGauge, Registry};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::cli::CliError;

/// Pause between two looks: for so long a running server may write to a log that took the place of its own.
const LOOK_PAUSE: Duration = Duration::from_secs(2);
/// Longest that a look may take; what it does not find out by then stays as it was.
const LOOK_WAIT_MAX: Duration = Duration::from_secs(20);

/// Why it cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// The log does not answer.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Schema `write` does not answer.
    #[error(transparent)]
    Reactions(#[from] ReactionError),
    /// The read models' checkpoints cannot be read.
    #[error(transparent)]
    ReadModels(#[from] StatusError),
    /// No connection is to be had.
    #[error("no connection to PostgreSQL")]
    Pool(#[from] database::PoolError),
    /// The connection ended.
    #[error("PostgreSQL does not answer")]
    Connection(#[from] tokio_postgres::Error),
}

/// What a process knows of the log that it found.
pub struct Standing {
    log: Arc<dyn EventLog>,
    write: Pool,
    read_models: Pool,
    /// Where the log ended at the last look; none before the first.
    seen: Option<Head>,
    /// Its last event then.
    last: Option<eventstore_schema::RecordedEvent>,
}

impl Standing {
    /// Knows nothing of the log yet.
    ///
    /// # Errors
    /// When no pool can be made.
    pub fn new(log: Arc<dyn EventLog>, write: Pool, database: &database::Config) -> Result<Self, CliError> {
        let read_models = database::pool(database, Role::Projector, 1)
            .map_err(|error| CliError::usage("the pool for looking at checkpoints").because(&error))?;
        Ok(Self { log, write, read_models, seen: None, last: None })
    }

    /// Looks at the log: why nothing may be written to it.
    ///
    /// # Errors
    /// When the log or what the installation knows of it cannot be reached.
    pub async fn look(&mut self) -> Result<Option<String>, LookError> {
        let head = self.log.head().await?;
        if let Some(seen) = self.seen.filter(|seen| seen.incarnation != head.incarnation) {
            return Ok(Some(format!(
                "it was adopted or replaced while this process ran, which knows the log {} and not {}: restart this server",
                seen.incarnation.0, head.incarnation.0
            )));
        }
        let refusal = match self.gone_back(head).await? {
            Some(difference) => Some(difference),
            None => self.contradicted(head).await?,
        };
        // A log that is refused says nothing of the right one.
        if refusal.is_none() {
            self.last = match head.position {
                Some(position) => self.log.event_at(position).await?,
                None => None,
            };
        }
        let seen = self.seen.get_or_insert(head);
        if refusal.is_none() {
            *seen = head;
        }
        Ok(refusal)
    }

    /// How the log contradicts what this process saw of it.
    async fn gone_back(&self, head: Head) -> Result<Option<String>, LookError> {
        let Some(last) = &self.last else { return Ok(None) };
        if head.position < Some(last.position) {
            return Ok(Some(older(head, &format!("this process has seen position {}", last.position))));
        }
        let there = self.log.event_at(last.position).await?;
        let is_same = there.is_some_and(|there| there.hash == last.hash);
        Ok((!is_same).then(|| {
            let found =
                format!("it has another event at position {} than this process has seen", last.position);
            diverged(&found)
        }))
    }

    /// How the log contradicts what reactions and read models have followed.
    async fn contradicted(&self, head: Head) -> Result<Option<String>, LookError> {
        let connection = self.read_models.get().await?;
        let witness = projections::witness(connection.client()?, &*self.log).await?;
        drop(connection);
        let followed = match (reactions::followed(&self.write).await?, witness.other) {
            (Some(followed), _) => followed,
            // Nobody followed this one, and somebody another one.
            (None, Some(other)) => other,
            (None, None) => reactions::follow_first(&self.write, head.incarnation).await?,
        };
        if followed != head.incarnation {
            return Ok(Some(format!(
                "it is the log {}, the installation follows {}: `envoi log adopt` goes on with one that was restored, \
                 `envoi log copy` moves one with all that follows it",
                head.incarnation.0, followed.0
            )));
        }
        if let Some(contradiction) = witness.contradiction {
            return Ok(Some(diverged(&format!("read models know more or another: {contradiction}"))));
        }
        let Some(furthest) = reactions::furthest(&self.write).await? else { return Ok(None) };
        if head.position >= Some(furthest) {
            return Ok(None);
        }
        // They have gone on since the end was looked for.
        let head = self.log.head().await?;
        let is_older = head.position < Some(furthest);
        Ok(is_older.then(|| older(head, &format!("reactions have been at position {furthest}"))))
    }
}

fn older(head: Head, what: &str) -> String {
    let end =
        head.position.map_or_else(|| "has no events".to_owned(), |end| format!("ends at position {end}"));
    diverged(&format!("it {end}, and {what}"))
}

fn diverged(found: &str) -> String {
    format!("{found}; bring back the log that has it, or go on with this one by `envoi log adopt`")
}

/// Looks again and again, and says so.
pub struct Watch {
    task: JoinHandle<()>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Whether writes are refused, for operators.
fn gauge(registry: &Registry) -> Result<IntGauge, CliError> {
    let failed = |error: prometheus::Error| CliError::failed("metrics").because(&error);
    let gauge = IntGauge::new(
        "envoi_log_refused",
        "1 while nothing is written because the log is older than what the installation knows, or another one.",
    )
    .map_err(failed)?;
    registry.register(Box::new(gauge.clone())).map_err(failed)?;
    Ok(gauge)
}

impl Watch {
    /// Goes on looking, and tells `refusal` what is found.
    ///
    /// # Errors
    /// When the metric cannot be registered.
    pub fn start(
        mut standing: Standing,
        refusal: watch::Sender<Refusal>,
        registry: &Registry,
    ) -> Result<Self, CliError> {
        let gauge = gauge(registry)?;
        gauge.set(i64::from(refusal.borrow().is_some()));
        let task = tokio::spawn(async move {
            loop {
                tokio::time::sleep(LOOK_PAUSE).await;
                let found = match tokio::time::timeout(LOOK_WAIT_MAX, standing.look()).await {
                    Ok(Ok(found)) => found.map(Arc::from),
                    // Whatever cannot be reached takes no writes either.
                    Ok(Err(error)) => {
                        tracing::debug!(%error, "whether the log is the right one cannot be told now");
                        continue;
                    }
                    Err(_) => continue,
                };
                tell(&refusal, found);
                gauge.set(i64::from(refusal.borrow().is_some()));
            }
        });
        Ok(Self { task })
    }
}

/// Tells it, and the log of the process what changes.
pub fn tell(refusal: &watch::Sender<Refusal>, found: Refusal) {
    if *refusal.borrow() == found {
        return;
    }
    match &found {
        Some(reason) => {
            tracing::error!(%reason, "nothing is written: the log is not the one that the installation knows")
        }
        None => tracing::info!("the log is the one that the installation knows: it takes writes again"),
    }
    refusal.send_replace(found);
}
