//! One socket as the hub sees it: where to put events, and how to cut it.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use domain::{AccountId, DeviceId, SessionId};
use eventstore_schema::Position;
use tokio::sync::Notify;
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use super::entry::Entry;
use super::frames::{Closing, Outgoing};

/// An authenticated socket.
pub(super) struct Connection {
    pub id: u64,
    pub account_id: AccountId,
    pub session_id: SessionId,
    pub device_id: Option<DeviceId>,
    queue: Sender<Outgoing>,
    /// Events up to here reached the client before: not again.
    after: OnceLock<Option<Position>>,
    closing: OnceLock<Closing>,
    cut: Notify,
}

impl Connection {
    pub(super) fn new(
        id: u64,
        account_id: AccountId,
        session_id: SessionId,
        device_id: Option<DeviceId>,
        queue: Sender<Outgoing>,
    ) -> Self {
        let (after, closing, cut) = (OnceLock::new(), OnceLock::new(), Notify::new());
        Self { id, account_id, session_id, device_id, queue, after, closing, cut }
    }

    /// From now on events behind `after` are put into the queue.
    pub(super) fn begin(&self, after: Option<Position>) {
        let _ = self.after.set(after);
    }

    /// Puts an event into the queue. A client that is too slow for it is cut: it resumes where it was.
    pub(super) fn deliver(&self, entry: &Arc<Entry>) {
        if Some(entry.position()) <= self.after.get().copied().flatten() {
            return;
        }
        if let Err(TrySendError::Full(_)) = self.queue.try_send(Outgoing::Event(Arc::clone(entry))) {
            self.cut(Closing::Slow);
        }
    }

    /// Puts a frame into the queue that may be lost: a full queue drops it.
    pub(super) fn tell(&self, text: &Arc<str>) {
        let _ = self.queue.try_send(Outgoing::Text(Arc::clone(text)));
    }

    /// Puts a frame into the queue that must not be lost; waits for room. `false` when the socket is gone.
    pub(super) async fn put(&self, outgoing: Outgoing) -> bool {
        self.queue.send(outgoing).await.is_ok()
    }

    /// Tells the client that it has everything up to `position`. A full queue drops it: events tell the same.
    pub(super) fn advance(&self, position: Position) {
        if Some(position) > self.after.get().copied().flatten() {
            let _ = self.queue.try_send(Outgoing::Cursor(position));
        }
    }

    /// Tells the client from where it follows. The queue is new: there is room.
    pub(super) fn welcome(&self, after: Option<Position>) {
        let _ = self.queue.try_send(Outgoing::Welcome(after));
    }

    /// Asks the client whether it is there.
    pub(super) fn ping(&self) {
        let _ = self.queue.try_send(Outgoing::Ping);
    }

    /// Answers the client's own question. A full queue drops it: events say the same.
    pub(super) fn pong(&self, bytes: Bytes) {
        let _ = self.queue.try_send(Outgoing::Pong(bytes));
    }

    /// Ends the socket; the first cause counts.
    pub(super) fn cut(&self, closing: Closing) {
        if self.closing.set(closing).is_ok() {
            self.cut.notify_waiters();
            self.cut.notify_one();
        }
    }

    /// Waits until the socket is to be ended, and why.
    pub(super) async fn closed(&self) -> Closing {
        loop {
            let notified = self.cut.notified();
            if let Some(closing) = self.closing.get() {
                return *closing;
            }
            notified.await;
        }
    }
}
