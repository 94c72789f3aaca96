//! The feed: one tailer a process reads and decodes each event once, for projections and live connections alike.

use std::sync::Arc;
use std::time::Duration;

use eventstore_schema::{EventLog, LogError, Position, ReadFilter, RecordedEvent};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::task::JoinHandle;

use crate::projector::Item;

/// Most events the tailer hands on at once: enough to share a transaction's cost, few enough to be delivered at once.
const BATCH_EVENTS_MAX: usize = 512;
/// Batches kept for subscribers that are slower than the tailer; further behind they read the log themselves. With the
/// largest batches of full-size messages that is some hundred MB, with usual ones some ten.
const BATCHES_KEPT: usize = 64;
/// Events in one page of a subscriber that reads the log itself.
const PAGE_EVENTS: usize = 1_024;
/// How long the tailer waits before it asks an unreachable log again, first and at most.
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(2);

/// Events behind `after`, in order and without gap.
#[derive(Clone, Debug)]
struct Batch {
    after: Option<Position>,
    items: Arc<[Item]>,
}

/// One process's tail of the log.
pub struct Feed {
    log: Arc<dyn EventLog>,
    batches: broadcast::Sender<Batch>,
    tailer: JoinHandle<()>,
}

impl Feed {
    /// Follows `log` from its end on. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// When the log cannot be reached.
    pub async fn start(log: Arc<dyn EventLog>) -> Result<Self, LogError> {
        let after = log.head().await?.position;
        let (batches, _) = broadcast::channel(BATCHES_KEPT);
        let tailer = tokio::spawn(tail(Arc::clone(&log), after, batches.clone()));
        Ok(Self { log, batches, tailer })
    }

    /// The log that is followed.
    pub fn log(&self) -> &Arc<dyn EventLog> {
        &self.log
    }

    /// Follows from behind `after` (`None`: from the start). A subscriber that is behind the tail reads the log itself
    /// until it has caught up.
    pub fn subscribe(&self, after: Option<Position>) -> FeedSubscription {
        FeedSubscription {
            log: Arc::clone(&self.log),
            batches: self.batches.subscribe(),
            after,
            is_behind: true,
            held: None,
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.tailer.abort();
    }
}

async fn tail(log: Arc<dyn EventLog>, mut after: Option<Position>, batches: broadcast::Sender<Batch>) {
    let mut retry = RETRY_FIRST;
    loop {
        if let Err(error) = follow(&log, &mut after, &batches, &mut retry).await {
            tracing::warn!(%error, "the feed lost the log and tries again");
        }
        tokio::time::sleep(retry).await;
        retry = retry.saturating_mul(2).min(RETRY_MAX);
    }
}

async fn follow(
    log: &Arc<dyn EventLog>,
    after: &mut Option<Position>,
    batches: &broadcast::Sender<Batch>,
    retry: &mut Duration,
) -> Result<(), LogError> {
    let mut subscription = log.subscribe(*after, ReadFilter::all()).await?;
    loop {
        let events = subscription.next(BATCH_EVENTS_MAX).await?;
        *retry = RETRY_FIRST;
        let batch = Batch { after: *after, items: decoded(events) };
        *after = batch.items.last().map(Item::position).or(*after);
        // Nobody listening is fine: whoever comes reads the log first.
        let _ = batches.send(batch);
    }
}

fn decoded(events: Vec<RecordedEvent>) -> Arc<[Item]> {
    events.into_iter().map(Item::new).collect()
}

/// One subscriber's place in the feed.
pub struct FeedSubscription {
    log: Arc<dyn EventLog>,
    batches: broadcast::Receiver<Batch>,
    after: Option<Position>,
    is_behind: bool,
    held: Option<Batch>,
}

impl FeedSubscription {
    /// Position of the last event that was handed on.
    pub fn after(&self) -> Option<Position> {
        self.after
    }

    /// Waits for the next events: at least one, in order, without gap or duplicate. Cancelling the wait loses nothing.
    ///
    /// # Errors
    /// When the log has to be read and cannot; calling again goes on where it stopped.
    pub async fn next(&mut self) -> Result<Arc<[Item]>, LogError> {
        loop {
            if self.is_behind
                && let Some(items) = self.page().await?
            {
                return Ok(items);
            }
            let batch = match self.held.take() {
                Some(batch) => batch,
                None => match self.batches.recv().await {
                    Ok(batch) => batch,
                    Err(RecvError::Lagged(_)) => {
                        self.is_behind = true;
                        continue;
                    }
                    // The feed was dropped: no more events will come.
                    Err(RecvError::Closed) => std::future::pending().await,
                },
            };
            if let Some(items) = self.take(batch) {
                return Ok(items);
            }
        }
    }

    /// As [`FeedSubscription::next`], with what else is there already, until there are `events` or more.
    ///
    /// # Errors
    /// As [`FeedSubscription::next`].
    pub async fn next_many(&mut self, events: usize) -> Result<Vec<Item>, LogError> {
        let mut items = self.next().await?.to_vec();
        if items.len() < events {
            items.extend(self.ready(events.saturating_sub(items.len())));
        }
        Ok(items)
    }

    /// What the tail holds already, until there are `events` or more; nothing for a subscriber that is behind.
    pub fn ready(&mut self, events: usize) -> Vec<Item> {
        let mut items = Vec::new();
        while !self.is_behind && self.held.is_none() && items.len() < events {
            match self.batches.try_recv() {
                Ok(batch) => items.extend(self.take(batch).iter().flat_map(|more| more.iter().cloned())),
                Err(TryRecvError::Lagged(_)) => self.is_behind = true,
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        items
    }

    /// The next page of the log itself; `None` once the tail is reached.
    async fn page(&mut self) -> Result<Option<Arc<[Item]>>, LogError> {
        if self.held.as_ref().is_none_or(|batch| batch.after > self.after) {
            let page = self.log.read_all(self.after, PAGE_EVENTS, &ReadFilter::all()).await?;
            if let Some(last) = page.last() {
                self.after = Some(last.position);
                return Ok(Some(decoded(page)));
            }
        }
        self.is_behind = false;
        Ok(None)
    }

    /// What of a batch is new here; a batch that begins later than this subscriber is has to wait for the log.
    fn take(&mut self, batch: Batch) -> Option<Arc<[Item]>> {
        if batch.after > self.after {
            self.held = Some(batch);
            self.is_behind = true;
            return None;
        }
        let after = self.after;
        self.after = self.after.max(batch.items.last().map(Item::position));
        if batch.after == after {
            return Some(batch.items);
        }
        let new: Arc<[Item]> =
            batch.items.iter().filter(|item| Some(item.position()) > after).cloned().collect();
        (!new.is_empty()).then_some(new)
    }
}
