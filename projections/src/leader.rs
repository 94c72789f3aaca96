//! A projection's leader: folds batches and commits them.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use domain::operations::OperationsEvent;
use domain::{Digest, Event};
use eventstore_schema::lease::Lease;
use eventstore_schema::{Position, Revision, StreamId};
use futures_util::future::try_join3;
use tokio::time::Instant;

use crate::batch::{self, Outcome, clear_parked, mark_of, name_digest, parked_of, store_parked};
use crate::checkpoint::{Checkpoint, Layout, Mark};
use crate::feed::FeedSubscription;
use crate::projector::Item;
use crate::runner::{Context, RunError};
use crate::store::{Mode, Store, StoreError};

/// Most events in one transaction: a leader that fell behind catches up in large steps, one that is abreast takes what
/// is there.
const BATCH_EVENTS: usize = 2_048;
/// How long progress over events that changed no row may stay unsaved while nobody waits for it. Losing it costs folding them
/// again; saving each batch would cost every projection a commit for every other's events.
const SAVE_DELAY: Duration = Duration::from_millis(200);
/// Least time between two transactions of a busy projection that nobody waits for: at hundreds of batches a second their
/// overhead would cost more than their rows.
const GATHER_DELAY: Duration = Duration::from_millis(10);
/// Events of a parked stream read at a time.
const PAGE_EVENTS: usize = 1_024;

pub(crate) struct Leader<'a> {
    context: &'a Arc<Context>,
    lease: Lease,
    store: Store,
    schema: String,
    /// As it stands in the database.
    checkpoint: Checkpoint,
    /// How far it is beyond that, over events that changed nothing.
    unsaved: Option<Mark>,
    /// When it was saved last.
    saved_at: Instant,
    /// When rows were written last.
    written_at: Instant,
    parked: HashSet<StreamId>,
}

impl<'a> Leader<'a> {
    pub(crate) fn new(
        context: &'a Arc<Context>,
        lease: Lease,
        store: Store,
        checkpoint: Checkpoint,
        parked: HashSet<StreamId>,
    ) -> Self {
        let schema = Layout(&*context.projector).schema(checkpoint.generation);
        Self {
            context,
            lease,
            store,
            schema,
            checkpoint,
            unsaved: None,
            saved_at: Instant::now(),
            written_at: Instant::now(),
            parked,
        }
    }

    pub(crate) async fn follow(mut self) -> Result<std::convert::Infallible, RunError> {
        let mut events = self.context.feed.subscribe(self.checkpoint.position());
        self.show_parked();
        loop {
            let next = events.next_many(BATCH_EVENTS);
            let items = if self.unsaved.is_some() {
                let due = async {
                    let _ = tokio::time::timeout(SAVE_DELAY, self.context.gauge.wanted()).await;
                };
                tokio::select! {
                    biased;
                    items = next => items?,
                    () = due => {
                        self.save().await?;
                        continue;
                    }
                }
            } else {
                next.await?
            };
            let items = self.gather(&mut events, items).await?;
            let timer = self.context.metrics.batch_seconds.with_label_values(&[self.name()]).start_timer();
            self.process(&items).await?;
            timer.observe_duration();
        }
    }

    /// What a batch so soon behind the last one waits for: more events to share its transaction with. Not when somebody
    /// waits for the projection, and never longer than [`GATHER_DELAY`].
    async fn gather(
        &self,
        events: &mut FeedSubscription,
        mut items: Vec<Item>,
    ) -> Result<Vec<Item>, RunError> {
        let rest = GATHER_DELAY.saturating_sub(self.written_at.elapsed());
        if rest.is_zero() || items.len() >= BATCH_EVENTS || self.context.gauge.has_waiters() {
            return Ok(items);
        }
        let _ = tokio::time::timeout(rest, self.context.gauge.wanted()).await;
        items.extend(events.ready(BATCH_EVENTS.saturating_sub(items.len())));
        Ok(items)
    }

    fn name(&self) -> &'static str {
        self.context.name()
    }

    /// Folds items up to an operator's decision about this projection, does what was decided, goes on behind it.
    async fn process(&mut self, items: &[Item]) -> Result<(), RunError> {
        let mut rest = items;
        while !rest.is_empty() {
            let decision = rest
                .iter()
                .enumerate()
                .find_map(|(index, item)| Some((index, Decision::of(item, self.name())?)));
            let Some((index, decision)) = decision else { return self.commit(rest, None).await };
            let (before, behind) = rest.split_at(index);
            if !before.is_empty() {
                self.commit(before, None).await?;
            }
            let Some((item, behind)) = behind.split_first() else { return Ok(()) };
            self.decide(item, &decision).await?;
            rest = behind;
        }
        Ok(())
    }

    async fn decide(&mut self, item: &Item, decision: &Decision) -> Result<(), RunError> {
        let stream = self.parked.iter().find(|stream| name_digest(&stream.to_string()) == decision.stream);
        let Some(stream) = stream.copied() else {
            return self.commit(std::slice::from_ref(item), None).await;
        };
        let waiting = parked_of(&self.store.client, &*self.context.projector, stream).await?;
        let (Some((first, revision)), Some((last, _))) = (waiting.first(), waiting.last()) else {
            return self.commit(std::slice::from_ref(item), None).await;
        };
        if *first != decision.position {
            return self.commit(std::slice::from_ref(item), None).await;
        }
        let mut items = self.read_parked(stream, *revision, *last).await?;
        if decision.discards && !items.is_empty() {
            items.remove(0);
        }
        items.push(item.clone());
        self.commit(&items, Some(stream)).await
    }

    /// A stream's events from a revision to a position.
    async fn read_parked(
        &self,
        stream: StreamId,
        revision: u64,
        last: Position,
    ) -> Result<Vec<Item>, RunError> {
        let mut items: Vec<Item> = Vec::new();
        let mut from = Revision::new(revision);
        loop {
            let page = self.context.feed.log().read_stream(stream, from, PAGE_EVENTS).await?;
            let Some(end) = page.last() else { return Ok(items) };
            from = end.revision.plus(1);
            let is_done = end.position >= last;
            items.extend(page.into_iter().filter(|event| event.position <= last).map(Item::new));
            if is_done {
                return Ok(items);
            }
        }
    }

    /// Folds a batch and commits its rows with the checkpoint. `cleared` names a parked stream whose events are among the
    /// items, to be folded again.
    async fn commit(&mut self, items: &[Item], cleared: Option<StreamId>) -> Result<(), RunError> {
        let Some(mark) = mark_of(items) else { return Ok(()) };
        let mut parked = self.parked.clone();
        if let Some(stream) = cleared {
            parked.remove(&stream);
        }
        let outcome = self.fold(items, &parked, true).await?;
        if outcome.is_empty() && cleared.is_none() {
            self.unsaved = Some(mark);
            // Whoever waits is told what queries see: what is saved.
            if self.saved_at.elapsed() >= SAVE_DELAY || self.context.gauge.has_waiters() {
                self.save().await?;
            }
        } else {
            if let Err(error) = self.write(&outcome, mark, cleared).await {
                if !error.is_unique_violation() {
                    return Err(error.into());
                }
                // A row that was declared as new is there already: fold again, looking at every key, to find whose event.
                self.store.execute("ROLLBACK").await?;
                let outcome = self.fold(items, &parked, false).await?;
                self.write(&outcome, mark, cleared).await?;
                self.note_parked(parked, &outcome);
            } else {
                self.note_parked(parked, &outcome);
            }
            self.unsaved = None;
            self.saved_at = Instant::now();
            self.written_at = self.saved_at;
        }
        self.moved(mark, items);
        Ok(())
    }

    async fn fold(
        &mut self,
        items: &[Item],
        parked: &HashSet<StreamId>,
        trusts_fresh: bool,
    ) -> Result<Outcome, StoreError> {
        let projector = &*self.context.projector;
        batch::fold(projector, &mut self.store, &self.schema, items, parked, trusts_fresh).await
    }

    async fn write(
        &mut self,
        outcome: &Outcome,
        mark: Mark,
        cleared: Option<StreamId>,
    ) -> Result<(), StoreError> {
        let (name, context) = (self.name(), Arc::clone(self.context));
        let projector = &*context.projector;
        let advance = self.store.prepare(Checkpoint::ADVANCE.to_owned()).await?;
        let changes = self.store.prepare_changes(&self.schema, &outcome.pending, Mode::Live).await?;
        // All in one round trip; what stands first here is sent first.
        let client = &self.store.client;
        let advance = self.checkpoint.advance(client, &advance, &self.lease, name, mark);
        let sent = try_join3(self.store.execute("BEGIN"), advance, self.store.run(&changes));
        let ((), checkpoint, ()) = sent.await?;
        if let Some(stream) = cleared {
            clear_parked(client, projector, Some(stream), &outcome.parked).await?;
        }
        store_parked(client, projector, &outcome.parked).await?;
        self.store.execute("COMMIT").await?;
        self.checkpoint = checkpoint;
        self.context.gauge.set_position(checkpoint.position());
        Ok(())
    }

    async fn save(&mut self) -> Result<(), StoreError> {
        if let Some(mark) = self.unsaved.take() {
            let advance = self.store.prepare(Checkpoint::ADVANCE.to_owned()).await?;
            let (client, name) = (&self.store.client, self.name());
            self.checkpoint = self.checkpoint.advance(client, &advance, &self.lease, name, mark).await?;
            self.context.gauge.set_position(self.checkpoint.position());
        }
        self.saved_at = Instant::now();
        Ok(())
    }

    fn note_parked(&mut self, mut parked: HashSet<StreamId>, outcome: &Outcome) {
        for one in &outcome.parked {
            if let Some(reason) = &one.reason {
                let (position, kind) = (one.position.get(), one.event_type.as_str());
                tracing::error!(projection = self.name(), position, kind, reason, "parked a stream");
            }
            parked.insert(one.stream);
        }
        self.parked = parked;
        self.show_parked();
    }

    fn show_parked(&self) {
        let streams = i64::try_from(self.parked.len()).unwrap_or(i64::MAX);
        self.context.metrics.parked.with_label_values(&[self.name()]).set(streams);
    }

    fn moved(&self, mark: Mark, items: &[Item]) {
        let (metrics, name) = (&self.context.metrics, self.name());
        metrics
            .position
            .with_label_values(&[name])
            .set(i64::try_from(mark.position.get()).unwrap_or(i64::MAX));
        metrics.events.with_label_values(&[name]).inc_by(u64::try_from(items.len()).unwrap_or(u64::MAX));
        if let Some(last) = items.last() {
            let recorded_at = last.recorded().origin.recorded_at.as_micros();
            metrics.last_event.with_label_values(&[name]).set(recorded_at as f64 / 1e6);
        }
    }
}

/// What an operator decided about a parked stream.
pub(crate) struct Decision {
    pub(crate) stream: Digest,
    pub(crate) position: Position,
    pub(crate) discards: bool,
}

impl Decision {
    /// The decision in an event, if it is about the projection of this name.
    pub(crate) fn of(item: &Item, name: &str) -> Option<Self> {
        let Item::Event(decoded) = item else { return None };
        let Event::Operations(event) = &decoded.event else { return None };
        let (projection, stream, position, discards) = match event {
            OperationsEvent::ParkedStreamRetried(it) => (it.projection, it.stream, it.position, false),
            OperationsEvent::ParkedStreamDiscarded(it) => (it.projection, it.stream, it.position, true),
            OperationsEvent::ParkedEventRetried(_)
            | OperationsEvent::ParkedEventDiscarded(_)
            | OperationsEvent::SigningKeyRotated(_) => return None,
        };
        (projection == name_digest(name)).then(|| Self {
            stream,
            position: Position::new(position),
            discards,
        })
    }
}
