//! What a test makes a running double do wrong.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::cluster::MemberState;
use crate::node::Node;

/// What goes wrong with one append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendFault {
    /// Nothing is written; the answer is `Unavailable`.
    Unavailable,
    /// Nothing is written; the answer is the real server's when its queues are full.
    Busy,
    /// Nothing is written; the answer is the real server's when the write was not acknowledged in time.
    TimedOut,
    /// The events are written; the answer is `Unavailable`.
    LoseAnswer,
    /// The events are written; instead of an answer every connection is dropped.
    LoseAnswerAndConnections,
    /// The write waits first.
    DelayWrite(Duration),
    /// The events are written at once; the answer waits.
    DelayAnswer(Duration),
}

/// The switches of one node.
pub(crate) struct Switches {
    appends: Mutex<VecDeque<AppendFault>>,
    armed: AtomicUsize,
    /// Added to every answer of the streams service.
    delay: Mutex<Option<Duration>>,
    /// Moves when all open subscriptions are to be dropped.
    pub(crate) subscriptions: watch::Sender<u64>,
    /// Moves when all open connections are to be dropped.
    pub(crate) connections: watch::Sender<u64>,
    pub(crate) open_subscriptions: watch::Sender<usize>,
    pub(crate) open_connections: watch::Sender<usize>,
}

impl Switches {
    pub(crate) fn new() -> Self {
        Self {
            appends: Mutex::default(),
            armed: AtomicUsize::new(0),
            delay: Mutex::default(),
            subscriptions: watch::Sender::new(0),
            connections: watch::Sender::new(0),
            open_subscriptions: watch::Sender::new(0),
            open_connections: watch::Sender::new(0),
        }
    }

    pub(crate) fn next_append(&self) -> Option<AppendFault> {
        if self.armed.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut appends = self.appends.lock().unwrap_or_else(PoisonError::into_inner);
        let fault = appends.pop_front();
        self.armed.store(appends.len(), Ordering::Release);
        fault
    }

    pub(crate) fn delay(&self) -> Option<Duration> {
        *self.delay.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn drop_subscriptions(&self) {
        self.subscriptions.send_modify(|generation| *generation += 1);
    }

    pub(crate) fn drop_connections(&self) {
        self.connections.send_modify(|generation| *generation += 1);
    }
}

/// Counts one of something while it is held.
pub(crate) struct Counted(watch::Sender<usize>);

impl Counted {
    pub(crate) fn new(counter: &watch::Sender<usize>) -> Self {
        counter.send_modify(|count| *count += 1);
        Self(counter.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}

/// Makes a running double fail, and writes what clients did not. Clones share the node.
#[derive(Clone)]
pub struct Faults {
    node: Arc<Node>,
}

impl Faults {
    pub(crate) fn new(node: Arc<Node>) -> Self {
        Self { node }
    }

    /// Lets the next `count` appends to this node fail so, behind those already told to.
    pub fn next_appends(&self, count: usize, fault: AppendFault) {
        let switches = &self.node.switches;
        let mut appends = switches.appends.lock().unwrap_or_else(PoisonError::into_inner);
        appends.extend(std::iter::repeat_n(fault, count));
        switches.armed.store(appends.len(), Ordering::Release);
    }

    /// Appends still told to fail.
    pub fn appends_left(&self) -> usize {
        self.node.switches.armed.load(Ordering::Acquire)
    }

    /// Delays every answer about streams, or delays them no longer.
    pub fn delay_answers(&self, delay: Option<Duration>) {
        *self.node.switches.delay.lock().unwrap_or_else(PoisonError::into_inner) = delay;
    }

    /// Ends every open subscription with `Unavailable`; connections stay.
    pub fn drop_subscriptions(&self) {
        self.node.switches.drop_subscriptions();
    }

    /// Drops every open connection without a word; new ones are taken.
    pub fn drop_connections(&self) {
        self.node.switches.drop_connections();
    }

    /// Subscriptions open now.
    pub fn subscriptions(&self) -> usize {
        *self.node.switches.open_subscriptions.borrow()
    }

    /// Waits until exactly so many subscriptions are open.
    pub async fn wait_for_subscriptions(&self, count: usize) {
        // The sender lives in the node that this handle holds.
        let _ = self.node.switches.open_subscriptions.subscribe().wait_for(|open| *open == count).await;
    }

    /// Tells what state the node says it is in. A leader makes every other leader of the cluster a follower.
    pub fn set_state(&self, state: MemberState) {
        self.node.cluster.set_state(self.node.index, state);
    }

    /// Says in gossip that the node is dead or alive; it goes on answering.
    pub fn set_alive(&self, is_alive: bool) {
        self.node.cluster.set_alive(self.node.index, is_alive);
    }

    /// Writes an event to any stream, whatever its revision; answers the position. Data that begins as an object is
    /// told as JSON.
    pub fn append_foreign(&self, stream: &str, event_type: &str, data: &str) -> u64 {
        self.node.log.write_own(stream, event_type, data.to_owned())
    }

    /// Writes one event of the server's statistics.
    pub fn write_stats(&self) {
        self.node.log.write_stats();
    }

    /// Writes an event of the server's statistics after every so many events of clients, or no longer.
    pub fn write_stats_every(&self, events: Option<u64>) {
        self.node.log.write_stats_every(events);
    }

    /// The last revision of a stream, deleted or not: what is really in the log.
    pub fn last_revision(&self, stream: &str) -> Option<u64> {
        self.node.log.last_revision(stream)
    }

    /// The position of the last record of the log.
    pub fn last_position(&self) -> Option<u64> {
        self.node.log.last_position()
    }
}

impl std::fmt::Debug for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Faults").field("node", &self.node.index).finish_non_exhaustive()
    }
}
