//! Who follows the log learns here that it has grown: in this process from the writer, from other processes by `NOTIFY`.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::{mpsc, watch};
use tokio_postgres::{AsyncMessage, Client};

use super::Shared;
use super::rows::describe;
use crate::database::{self, Role};

/// The channel on which processes tell each other.
const CHANNEL: &str = "envoi_log";
/// Shortest time between two notifications: each holds a lock of the whole server while it commits.
const NOTIFY_PAUSE: Duration = Duration::from_millis(5);
/// Pause between attempts to connect.
const RECONNECT_PAUSE: Duration = Duration::from_millis(500);
/// Notifications that may wait to be looked at; all of them say the same, so losing some loses nothing.
const NOTIFICATIONS_MAX: usize = 16;
/// How often a follower looks by itself, should every notification be lost.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Positions that are known to be in the log.
pub(super) struct Signals {
    /// The last one known, from whomever.
    known: watch::Sender<u64>,
    /// The last one that this process wrote.
    written: watch::Sender<u64>,
    closed: watch::Sender<bool>,
}

impl Signals {
    pub(super) fn new() -> Self {
        Self {
            known: watch::Sender::new(0),
            written: watch::Sender::new(0),
            closed: watch::Sender::new(false),
        }
    }

    /// The last position known to be in the log; 0 for none.
    pub(super) fn position(&self) -> u64 {
        *self.known.borrow()
    }

    /// The log reaches at least to `position`.
    pub(super) fn known(&self, position: u64) {
        self.known.send_if_modified(|known| {
            let grown = position > *known;
            *known = position.max(*known);
            grown
        });
    }

    /// This process wrote up to `position`.
    pub(super) fn appended(&self, position: u64) {
        self.known(position);
        self.written.send_if_modified(|written| {
            *written = position.max(*written);
            true
        });
    }

    /// Waits until the log is known to go beyond `position`, or long enough that it is worth a look.
    pub(super) async fn beyond(&self, position: u64) {
        let mut known = self.known.subscribe();
        let grown = known.wait_for(|known| *known > position);
        let _ = tokio::time::timeout(POLL_INTERVAL, grown).await;
    }

    pub(super) fn close(&self) {
        self.closed.send_replace(true);
    }
}

/// Listens and notifies over one connection until the engine is closed. Everything here is for speed only.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut closed = shared.signals.closed.subscribe();
    loop {
        tokio::select! {
            _ = closed.wait_for(|closed| *closed) => return,
            result = exchange(&shared) => {
                if let Err(error) = result {
                    tracing::debug!(reason = describe(&error), "the log's listener lost its connection");
                }
            }
        }
        tokio::time::sleep(RECONNECT_PAUSE).await;
    }
}

async fn exchange(shared: &Arc<Shared>) -> Result<(), tokio_postgres::Error> {
    let mut config = database::in_role(&shared.config.connection, Role::App);
    config.application_name("envoi log listener");
    let (client, mut messages) = database::open(&config).await?;
    let (sender, mut notifications) = mpsc::channel(NOTIFICATIONS_MAX);
    tokio::spawn(async move {
        while let Some(Ok(message)) = messages.next().await {
            if let AsyncMessage::Notification(notification) = message {
                let _ = sender.try_send(notification.payload().parse().unwrap_or(0));
            }
        }
    });
    client.batch_execute(&format!("LISTEN {CHANNEL}")).await?;
    let mut written = shared.signals.written.subscribe();
    loop {
        tokio::select! {
            position = notifications.recv() => match position {
                Some(position) => shared.signals.known(position),
                None => return Ok(()),
            },
            _ = written.changed() => {
                let position = *written.borrow_and_update();
                notify(&client, position).await?;
                tokio::time::sleep(NOTIFY_PAUSE).await;
            }
        }
    }
}

async fn notify(client: &Client, position: u64) -> Result<(), tokio_postgres::Error> {
    let payload = position.to_string();
    client.execute("SELECT pg_notify($1, $2)", &[&CHANNEL, &payload]).await.map(|_| ())
}
