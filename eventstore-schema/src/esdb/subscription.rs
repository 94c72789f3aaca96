//! Following the log: a catch-up subscription in a task of its own, so that giving up a wait loses nothing.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::Category;
use eventstore::{Client, StreamPosition, SubscribeToAllOptions, SubscriptionEvent, SubscriptionFilter};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::Shared;
use super::connection::Failure;
use super::reader::at;
use crate::envelope::{Position, RecordedEvent};
use crate::log::{LogError, ReadFilter, Subscription};

/// Events that wait to be taken: enough for the largest batches, few enough that a slow reader stops the server.
const WAITING_MAX: usize = 4_096;
/// Events that the server looks through before it says how far it is.
const CHECKPOINT_EVENTS: u32 = 1_024;
/// How long the server may take to confirm a subscription.
const CONFIRMATION_TIMEOUT: Duration = Duration::from_secs(10);

/// What the task hands over.
enum Arrival {
    Event(Box<RecordedEvent>),
    /// Nothing up to here passes the filter.
    Checkpoint(u64),
    Lost(String),
}

/// A place in the log, with the task that reads on from it while it is connected.
pub(super) struct EsdbSubscription {
    shared: Arc<Shared>,
    after: Option<u64>,
    filter: ReadFilter,
    running: Option<Running>,
}

struct Running {
    arrivals: mpsc::Receiver<Arrival>,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl EsdbSubscription {
    pub(super) fn new(shared: Arc<Shared>, after: Option<Position>, filter: ReadFilter) -> Self {
        Self { shared, after: after.map(Position::get), filter, running: None }
    }

    fn start(&self) -> Running {
        let (sender, arrivals) = mpsc::channel(WAITING_MAX);
        let (shared, after, filter) = (self.shared.clone(), self.after, self.filter.clone());
        let task = tokio::spawn(async move {
            if let Err(failure) = follow(&shared, after, &filter, &sender).await {
                // Whoever is gone needs no telling.
                let _ = sender.send(Arrival::Lost(failure.reason())).await;
            }
        });
        Running { arrivals, task }
    }
}

#[async_trait]
impl Subscription for EsdbSubscription {
    async fn next(&mut self, limit: usize) -> Result<Vec<RecordedEvent>, LogError> {
        let mut batch = Vec::new();
        loop {
            let running = self.running.take().unwrap_or_else(|| self.start());
            // Put back at once: the wait may be given up.
            let receiver = &mut self.running.insert(running).arrivals;
            receiver.recv_many(&mut batch, limit.max(1)).await;
            let mut lost = batch.is_empty().then(|| "the subscription has ended".to_owned());
            let mut events = Vec::with_capacity(batch.len());
            for arrival in batch.drain(..) {
                match arrival {
                    Arrival::Event(event) => {
                        self.after = Some(event.position.get());
                        events.push(*event);
                    }
                    Arrival::Checkpoint(position) => self.after = self.after.max(Some(position)),
                    Arrival::Lost(reason) => lost = Some(reason),
                }
            }
            if let Some(reason) = lost {
                self.running = None;
                if events.is_empty() {
                    return Err(LogError::Unavailable { attempt: "following the log", reason });
                }
            }
            if !events.is_empty() {
                return Ok(events);
            }
        }
    }
}

/// What the server is asked to send. It can look at names of streams or at types, not at both.
fn server_filter(shared: &Shared, filter: &ReadFilter) -> SubscriptionFilter {
    let server = if filter.event_types.is_empty() {
        let categories =
            if filter.categories.is_empty() { Category::ALL } else { filter.categories.as_slice() };
        let names = categories.iter().map(|category| shared.names.category(*category));
        names.fold(SubscriptionFilter::on_stream_name(), SubscriptionFilter::add_prefix)
    } else {
        filter.event_types.iter().fold(SubscriptionFilter::on_event_type(), SubscriptionFilter::add_prefix)
    };
    server.max(CHECKPOINT_EVENTS)
}

/// Hands over what comes until the connection is lost or nobody takes it any more.
async fn follow(
    shared: &Shared,
    after: Option<u64>,
    filter: &ReadFilter,
    arrivals: &mpsc::Sender<Arrival>,
) -> Result<(), Failure> {
    let from = StreamPosition::Position(at(shared.from(after)));
    let options = SubscribeToAllOptions::default()
        .position(from)
        .filter(server_filter(shared, filter))
        .requires_leader(true);
    // The first answer is the confirmation; what follows has no time limit, the connection's keep-alive watches over it.
    let confirmed = |client: Client| async move {
        let mut subscription = client.subscribe_to_all(&options).await;
        match subscription.next_subscription_event().await? {
            SubscriptionEvent::Confirmed(_) => Ok(subscription),
            other => {
                let reason = format!("{other:?} in place of a confirmation");
                Err(eventstore::Error::IllegalStateError(reason))
            }
        }
    };
    let mut subscription = shared.connection.once(CONFIRMATION_TIMEOUT, confirmed).await?;
    loop {
        let arrival = match subscription.next_subscription_event().await? {
            SubscriptionEvent::EventAppeared(resolved) => {
                let Some(event) = resolved.event.and_then(|event| shared.ours(event)) else { continue };
                if !filter.passes(event.stream.category, &event.event_type) {
                    continue;
                }
                Arrival::Event(Box::new(event))
            }
            SubscriptionEvent::Checkpoint(position) => Arrival::Checkpoint(position.commit),
            _ => continue,
        };
        if arrivals.send(arrival).await.is_err() {
            return Ok(());
        }
    }
}
