//! Where a projection is, as everybody in this process sees it.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use eventstore_schema::Position;
use tokio::sync::{Notify, watch};

/// Most callers waiting for one projection: each holds a request open.
const WAITERS_MAX: usize = 4_096;

/// What a projection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is about to begin.
    Starting,
    /// Another process leads it.
    Standby,
    /// It follows the log.
    Following,
    /// Its tables are filled anew because its fold or tables changed.
    Rebuilding,
    /// It stopped: the log is not the one that it followed. A rebuild takes it to the new one.
    Diverged,
    /// It cannot go on and tries again.
    Failing,
}

impl State {
    /// The word for people, metrics and the checkpoint.
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Starting => "starting",
            State::Standby => "standby",
            State::Following => "following",
            State::Rebuilding => "rebuilding",
            State::Diverged => "diverged",
            State::Failing => "failing",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Where a projection is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What it does.
    pub state: State,
    /// The last event whose effect queries see, as far as this process knows: a crash of the database may have taken some back.
    pub position: Option<Position>,
    /// What keeps it from going on.
    pub error: Option<String>,
}

/// Why a wait ended without the event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WaitError {
    /// No projection has that name.
    #[error("there is no projection {0}")]
    Unknown(String),
    /// The projection did not get there in time.
    #[error("the projection is not there yet")]
    Timeout,
    /// Too many wait already.
    #[error("too many wait for the projection already")]
    Busy,
}

/// A projection's progress and those who wait for it.
pub(crate) struct Gauge {
    progress: watch::Sender<Progress>,
    waiters: AtomicUsize,
    wanted: Notify,
}

impl Gauge {
    pub(crate) fn new() -> Self {
        let start = Progress { state: State::Starting, position: None, error: None };
        Self { progress: watch::Sender::new(start), waiters: AtomicUsize::new(0), wanted: Notify::new() }
    }

    pub(crate) fn get(&self) -> Progress {
        self.progress.borrow().clone()
    }

    pub(crate) fn set_state(&self, state: State, error: Option<String>) {
        self.progress.send_if_modified(|progress| {
            let is_news = progress.state != state || progress.error != error;
            progress.state = state;
            progress.error = error;
            is_news
        });
    }

    pub(crate) fn set_position(&self, position: Option<Position>) {
        self.progress.send_if_modified(|progress| {
            let is_news = progress.position != position;
            progress.position = position;
            is_news
        });
    }

    pub(crate) fn has_waiters(&self) -> bool {
        self.waiters.load(Ordering::Relaxed) > 0
    }

    /// Ends when somebody begins to wait.
    pub(crate) async fn wanted(&self) {
        self.wanted.notified().await;
    }

    pub(crate) async fn wait_for(&self, position: Position, timeout: Duration) -> Result<(), WaitError> {
        let mut progress = self.progress.subscribe();
        if progress.borrow_and_update().position >= Some(position) {
            return Ok(());
        }
        let _waiting = Waiting::enter(&self.waiters).ok_or(WaitError::Busy)?;
        self.wanted.notify_one();
        let reached = progress.wait_for(|progress| progress.position >= Some(position));
        match tokio::time::timeout(timeout, reached).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(WaitError::Timeout),
        }
    }
}

struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(waiters: &'a AtomicUsize) -> Option<Self> {
        if waiters.fetch_add(1, Ordering::Relaxed) >= WAITERS_MAX {
            waiters.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Self(waiters))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
