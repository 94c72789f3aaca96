//! Runs one projection: takes the lead, follows the feed, commits each batch with its checkpoint, gives the lead back.

use std::sync::Arc;
use std::time::Duration;

use eventstore_schema::LogError;
use eventstore_schema::database::Config;

use crate::batch::{chain, parked_streams};
use crate::checkpoint::{Checkpoint, Layout, put_state};
use crate::distance::events_after;
use crate::feed::Feed;
use crate::leader::Leader;
use crate::metrics::Metrics;
use crate::progress::{Gauge, State};
use crate::projector::Projector;
use crate::rebuild::{self, RebuildError};
use crate::store::{Store, StoreError};

/// How long a runner waits before it starts over, first and at most.
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(5);
/// How often a stand-by tries for the lead and looks where the leader is.
const STANDBY_POLL: Duration = Duration::from_millis(500);
/// The same while somebody waits for the projection here.
const STANDBY_POLL_WANTED: Duration = Duration::from_millis(20);
/// How often a diverged projection looks whether a rebuild has been switched to.
const DIVERGED_POLL: Duration = Duration::from_secs(1);
/// How long a failing runner tries to leave word of why.
const REPORT_TIMEOUT: Duration = Duration::from_secs(1);
/// A new projection that has more events before it is filled by a rebuild, which is several times faster than following.
const FOLLOW_EVENTS_MAX: usize = 50_000;

/// Why a projection had to start over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// Rows could not be loaded or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log could not be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The tables could not be filled anew.
    #[error(transparent)]
    Rebuild(#[from] RebuildError),
}

/// What a runner works with.
pub(crate) struct Context {
    pub(crate) config: Config,
    pub(crate) feed: Arc<Feed>,
    pub(crate) projector: Arc<dyn Projector>,
    pub(crate) gauge: Gauge,
    pub(crate) metrics: Metrics,
    /// Whether this process may lead.
    pub(crate) leads: bool,
}

impl Context {
    pub(crate) fn name(&self) -> &'static str {
        self.projector.name()
    }
}

/// Runs a projection for ever.
pub(crate) async fn run(context: Arc<Context>) {
    let name = context.name();
    let mut retry = RETRY_FIRST;
    loop {
        let before = context.gauge.get().position;
        let Err(error) = lead(&context).await;
        context.metrics.leading.with_label_values(&[name]).set(0);
        if context.gauge.get().position > before {
            retry = RETRY_FIRST;
        }
        if matches!(&error, RunError::Store(error) if error.is_fenced()) {
            tracing::info!(projection = name, "starts over: its checkpoint was moved");
        } else {
            let reason = chain(&error);
            tracing::warn!(projection = name, error = reason, "starts over");
            context.metrics.failures.with_label_values(&[name]).inc();
            let _ = tokio::time::timeout(REPORT_TIMEOUT, report_failure(&context, &reason)).await;
            context.gauge.set_state(State::Failing, Some(reason));
        }
        tokio::time::sleep(retry).await;
        retry = retry.saturating_mul(2).min(RETRY_MAX);
    }
}

/// Leaves word for those who look from other processes, if PostgreSQL is there to take it.
async fn report_failure(context: &Context, reason: &str) -> Result<(), StoreError> {
    let store = Store::connect(&context.config).await?;
    put_state(&store.client, context.name(), State::Failing.as_str(), Some(reason)).await
}

/// Leads the projection until something goes wrong. The connection that writes holds the lead, so losing the one is
/// losing the other; a leader that does not know yet that it lost it is refused by the checkpoint.
async fn lead(context: &Arc<Context>) -> Result<std::convert::Infallible, RunError> {
    let mut store = Store::connect(&context.config).await?;
    wait_for_lead(context, &store).await?;
    context.metrics.leading.with_label_values(&[context.name()]).set(1);
    let checkpoint = install(context, &mut store).await?;
    context.gauge.set_position(checkpoint.position());
    wait_until_same(context, &store, &checkpoint).await?;
    let parked = parked_streams(&store.client, context.name()).await?;
    context.gauge.set_state(State::Following, None);
    put_state(&store.client, context.name(), State::Following.as_str(), None).await?;
    Leader::new(context, store, checkpoint, parked).follow().await
}

async fn wait_for_lead(context: &Context, store: &Store) -> Result<(), RunError> {
    const LOCK: &str = "SELECT pg_try_advisory_lock(hashtextextended('envoi projection ' || $1, 0))";
    loop {
        if context.leads {
            let row = store.client.query_one(LOCK, &[&context.name()]).await;
            if row.and_then(|row| row.try_get(0)).map_err(StoreError::at("trying for the lead"))? {
                return Ok(());
            }
        }
        if let Some(checkpoint) = Checkpoint::read(&store.client, context.name()).await? {
            context.gauge.set_position(checkpoint.position());
        }
        context.gauge.set_state(State::Standby, None);
        if context.gauge.has_waiters() {
            tokio::time::sleep(STANDBY_POLL_WANTED).await;
        } else {
            let _ = tokio::time::timeout(STANDBY_POLL, context.gauge.wanted()).await;
        }
    }
}

/// The checkpoint, with tables of this release's shape behind it.
async fn install(context: &Context, store: &mut Store) -> Result<Checkpoint, RunError> {
    let log = context.feed.log();
    let found = Checkpoint::read(&store.client, context.name()).await?;
    let head = log.head().await?;
    let checkpoint = match found {
        Some(checkpoint) => checkpoint,
        None => install_empty(context, store, head.incarnation).await?,
    };
    let is_current = checkpoint.fingerprint == context.projector.fingerprint();
    let is_new = checkpoint.mark.is_none();
    if is_current && !(is_new && events_after(&**log, None, FOLLOW_EVENTS_MAX + 1).await? > FOLLOW_EVENTS_MAX)
    {
        return Ok(checkpoint);
    }
    context.gauge.set_state(State::Rebuilding, None);
    put_state(&store.client, context.name(), State::Rebuilding.as_str(), None).await?;
    tracing::info!(projection = context.name(), "its tables are filled anew");
    let projectors = vec![Arc::clone(&context.projector)];
    rebuild::rebuild(&context.config, Arc::clone(log), projectors, &|_| {}).await?;
    let rebuilt = Checkpoint::read(&store.client, context.name()).await?;
    rebuilt.ok_or(RunError::Store(StoreError::Fenced { projection: context.name() }))
}

async fn install_empty(
    context: &Context,
    store: &mut Store,
    incarnation: eventstore_schema::Incarnation,
) -> Result<Checkpoint, StoreError> {
    const GENERATION: i32 = 1;
    let layout = Layout(&*context.projector);
    let schema = layout.schema(GENERATION);
    let fingerprint = context.projector.fingerprint();
    let checkpoint = Checkpoint { generation: GENERATION, fingerprint, incarnation, mark: None };
    store.execute("BEGIN").await?;
    store.execute(&layout.create(&schema)).await?;
    store.execute(&layout.create_keys(&schema)).await?;
    store.execute(&layout.create_indexes(&schema)).await?;
    store.execute(&layout.publish(&schema)).await?;
    checkpoint.put(&store.client, context.name()).await?;
    store.execute("COMMIT").await?;
    Ok(checkpoint)
}

/// Ends at once when the log is the one that the checkpoint was made from. Otherwise the projection stands still until a
/// rebuild has moved its checkpoint.
async fn wait_until_same(context: &Context, store: &Store, checkpoint: &Checkpoint) -> Result<(), RunError> {
    let Some(difference) = checkpoint.compare(&**context.feed.log()).await? else { return Ok(()) };
    let name = context.name();
    tracing::error!(projection = name, difference, "stops: the log is not the one that it followed");
    put_state(&store.client, name, State::Diverged.as_str(), Some(&difference)).await?;
    context.gauge.set_state(State::Diverged, Some(difference));
    loop {
        tokio::time::sleep(DIVERGED_POLL).await;
        if Checkpoint::read(&store.client, name).await? != Some(*checkpoint) {
            return Err(RunError::Store(StoreError::Fenced { projection: name }));
        }
    }
}
