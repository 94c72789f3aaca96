//! Runs one projection: takes the lead, follows the feed, commits each batch with its checkpoint, gives the lead back.

use std::sync::Arc;
use std::time::Duration;

use domain::Digest;
use eventstore_schema::LogError;
use eventstore_schema::database::Config;
use eventstore_schema::lease::{Lease, Leases, Taken};

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
use crate::structure;
use crate::views::short;

/// How long a runner waits before it starts over, first and at most.
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(5);
/// How often a stand-by tries for the lead and looks where the leader is.
const STANDBY_POLL: Duration = Duration::from_millis(500);
/// The same while somebody waits for the projection here.
const STANDBY_POLL_WANTED: Duration = Duration::from_millis(20);
/// How often a projection that stands still looks whether a rebuild has been switched to.
const STANDSTILL_POLL: Duration = Duration::from_secs(1);
/// How long a failing runner tries to leave word of why.
const REPORT_TIMEOUT: Duration = Duration::from_secs(1);
/// A new projection that has so many events before it is filled by a rebuild, which is several times faster than following.
const LONG: usize = 50_001;

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
    /// Another process leads, or may by now.
    #[error("the lease is lost")]
    Lost,
}

/// What a runner works with.
pub(crate) struct Context {
    pub(crate) config: Config,
    pub(crate) feed: Arc<Feed>,
    pub(crate) projector: Arc<dyn Projector>,
    pub(crate) gauge: Gauge,
    pub(crate) metrics: Metrics,
    /// The leases under which this process leads, if it may.
    pub(crate) leases: Option<Leases>,
}

impl Context {
    pub(crate) fn name(&self) -> &'static str {
        self.projector.name()
    }

    fn lease_name(&self) -> String {
        lease_name(self.name(), self.projector.fingerprint())
    }
}

/// Name of the lease of whoever leads a projection for the processes of one release.
pub(crate) fn lease_name(projection: &str, fingerprint: Digest) -> String {
    format!("projection/{projection}@{}", short(fingerprint))
}

/// Runs a projection for ever.
pub(crate) async fn run(context: Arc<Context>) {
    let name = context.name();
    let mut retry = RETRY_FIRST;
    if let Some(leases) = &context.leases {
        leases.watch(&context.lease_name());
    }
    loop {
        let before = context.gauge.get().position;
        let mut led = None;
        let Err(error) = lead(&context, &mut led).await;
        context.metrics.leading.with_label_values(&[name]).set(0);
        if context.gauge.get().position > before {
            retry = RETRY_FIRST;
        }
        match &error {
            RunError::Lost => tracing::info!(projection = name, "starts over: its lease is lost"),
            // Another release makes its own, or they are verified.
            RunError::Rebuild(RebuildError::Busy { holder, .. }) => {
                tracing::debug!(projection = name, holder, "waits until its tables can be filled");
                context.gauge.set_state(State::Rebuilding, None);
            }
            RunError::Store(error) if error.is_fenced() => {
                tracing::info!(projection = name, "starts over: its checkpoint was moved");
            }
            RunError::Store(_) | RunError::Log(_) | RunError::Rebuild(_) => {
                let reason = chain(&error);
                tracing::warn!(projection = name, error = reason, "starts over");
                context.metrics.failures.with_label_values(&[name]).inc();
                if let Some(lease) = led {
                    let report = report_failure(&context, &lease, &reason);
                    let _ = tokio::time::timeout(REPORT_TIMEOUT, report).await;
                }
                context.gauge.set_state(State::Failing, Some(reason));
            }
        }
        tokio::time::sleep(retry).await;
        retry = retry.saturating_mul(2).min(RETRY_MAX);
    }
}

/// Leaves word for those who look from other processes, if PostgreSQL is there to take it and nobody else leads.
async fn report_failure(context: &Context, lease: &Lease, reason: &str) -> Result<(), StoreError> {
    let store = Store::connect(&context.config).await?;
    put_state(&store.client, lease, &*context.projector, State::Failing.as_str(), Some(reason)).await
}

/// Leads the projection until something goes wrong. What is written goes through the connection that took the lease, in
/// transactions that ask for it. Everything known about the tables is read anew: a crash may have taken back what was not
/// on disk.
async fn lead(context: &Arc<Context>, led: &mut Option<Lease>) -> Result<std::convert::Infallible, RunError> {
    let mut store = Store::connect(&context.config).await?;
    let lease = led.insert(wait_for_lead(context, &store).await?).clone();
    context.metrics.leading.with_label_values(&[context.name()]).set(1);
    let leading = async {
        let checkpoint = install(context, &lease, &mut store).await?;
        context.gauge.set_position(checkpoint.position());
        wait_until_same(context, &lease, &store, &checkpoint).await?;
        let projector = &*context.projector;
        let parked = parked_streams(&store.client, projector).await?;
        context.gauge.set_state(State::Following, None);
        put_state(&store.client, &lease, projector, State::Following.as_str(), None).await?;
        Leader::new(context, lease.clone(), store, checkpoint, parked).follow().await
    };
    tokio::select! {
        // A leader that is idle learns only so that its connection is gone.
        () = lease.lost() => Err(RunError::Lost),
        result = leading => result,
    }
}

async fn wait_for_lead(context: &Context, store: &Store) -> Result<Lease, RunError> {
    let name = context.lease_name();
    loop {
        if let Some(leases) = &context.leases {
            let taken = leases.take(&store.client, &name).await;
            match taken.map_err(StoreError::at("trying for the lead"))? {
                Taken::Ours(lease) => return Ok(lease),
                Taken::Theirs(_) => {}
            }
        }
        let checkpoint = Checkpoint::read(&store.client, &*context.projector).await?;
        context.gauge.set_position(checkpoint.and_then(|checkpoint| checkpoint.position()));
        // Before its tables are complete there is nothing to stand by for: queries have no answer.
        let state = if checkpoint.is_some() { State::Standby } else { State::Starting };
        context.gauge.set_state(state, None);
        if context.gauge.has_waiters() {
            tokio::time::sleep(STANDBY_POLL_WANTED).await;
        } else {
            let _ = tokio::time::timeout(STANDBY_POLL, context.gauge.wanted()).await;
        }
    }
}

/// The checkpoint, with tables of this release's shape behind it.
async fn install(context: &Context, lease: &Lease, store: &mut Store) -> Result<Checkpoint, RunError> {
    let log = context.feed.log();
    let projector = &*context.projector;
    let Some(leases) = &context.leases else { return Err(RunError::Lost) };
    let mut found = Checkpoint::read(&store.client, projector).await?;
    let is_first =
        found.is_none() && Checkpoint::of_every_release(&store.client, context.name()).await?.is_empty();
    let is_long = async || Ok::<_, LogError>(events_after(&**log, None, LONG).await? == LONG);
    let is_behind = match &found {
        Some(checkpoint) => checkpoint.mark.is_none() && is_long().await?,
        // Beside another release's, which clients are still sent to, nothing shows before it is complete.
        None => !is_first || is_long().await?,
    };
    if !is_behind {
        let checkpoint = match found.take() {
            Some(checkpoint) => checkpoint,
            None => install_empty(context, leases, store, log.head().await?.incarnation).await?,
        };
        wait_until_there(context, lease, store, &checkpoint).await?;
        return Ok(checkpoint);
    }
    context.gauge.set_state(State::Rebuilding, None);
    put_state(&store.client, lease, projector, State::Rebuilding.as_str(), None).await?;
    tracing::info!(projection = context.name(), "its tables are filled anew");
    let projectors = vec![Arc::clone(&context.projector)];
    rebuild::rebuild_under(leases, &context.config, Arc::clone(log), projectors, &|_| {}).await?;
    let rebuilt = Checkpoint::read(&store.client, projector).await?;
    rebuilt.ok_or(RunError::Store(StoreError::Fenced { projection: context.name() }))
}

/// Makes empty tables, as a rebuild that has nothing to fill them with would.
async fn install_empty(
    context: &Context,
    leases: &Leases,
    store: &mut Store,
    incarnation: eventstore_schema::Incarnation,
) -> Result<Checkpoint, RunError> {
    let layout = Layout(&*context.projector);
    let (lease, generation) = rebuild::next_generation(leases, store, context.name()).await?;
    let schema = layout.schema(generation);
    let fingerprint = context.projector.fingerprint();
    let checkpoint = Checkpoint { generation, fingerprint, incarnation, mark: None };
    store.begin_under(&lease).await?;
    store.execute(&layout.create(&schema)).await?;
    store.execute(&layout.create_keys(&schema)).await?;
    store.execute(&layout.create_indexes(&schema)).await?;
    store.execute(&layout.publish(&schema)).await?;
    checkpoint.put(&store.client, context.name()).await?;
    store.execute("COMMIT").await?;
    let back = lease.give_back(&store.client).await;
    back.map_err(StoreError::at("giving back the lease of a rebuild"))?;
    Ok(checkpoint)
}

/// Ends at once when the tables and views of the checkpoint are there. Where somebody took one away the projection stands still
/// until it is there again, or a rebuild has moved its checkpoint: starting over does not bring it back.
async fn wait_until_there(
    context: &Context,
    lease: &Lease,
    store: &Store,
    checkpoint: &Checkpoint,
) -> Result<(), RunError> {
    let (name, projector) = (context.name(), &*context.projector);
    let mut told = None;
    while let Some(relation) = structure::gone(store, projector, checkpoint.generation).await? {
        if told.as_ref() != Some(&relation) {
            let error = format!("{relation} is gone: `envoi projections rebuild` makes it anew");
            tracing::error!(projection = name, relation, "stops: a table or view is gone");
            put_state(&store.client, lease, projector, State::Failing.as_str(), Some(&error)).await?;
            context.gauge.set_state(State::Failing, Some(error));
            told = Some(relation);
        }
        tokio::time::sleep(STANDSTILL_POLL).await;
    }
    if told.is_some() && Checkpoint::read(&store.client, projector).await? != Some(*checkpoint) {
        return Err(RunError::Store(StoreError::Fenced { projection: name }));
    }
    Ok(())
}

/// Ends at once when the log is the one that the checkpoint was made from. Otherwise the projection stands still until a
/// rebuild has moved its checkpoint.
async fn wait_until_same(
    context: &Context,
    lease: &Lease,
    store: &Store,
    checkpoint: &Checkpoint,
) -> Result<(), RunError> {
    let Some(difference) = checkpoint.compare(&**context.feed.log()).await? else { return Ok(()) };
    let (name, projector) = (context.name(), &*context.projector);
    tracing::error!(projection = name, difference, "stops: the log is not the one that it followed");
    put_state(&store.client, lease, projector, State::Diverged.as_str(), Some(&difference)).await?;
    context.gauge.set_state(State::Diverged, Some(difference));
    loop {
        tokio::time::sleep(STANDSTILL_POLL).await;
        if Checkpoint::read(&store.client, projector).await? != Some(*checkpoint) {
            return Err(RunError::Store(StoreError::Fenced { projection: name }));
        }
    }
}
