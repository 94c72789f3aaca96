//! Signals: who is typing, who is there. Ephemeral: never events, never stored, lost when a line is full.

use std::sync::Arc;

use domain::{AccountId, ConversationId};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::frames::Down;
use crate::limits::LIVE_SIGNALS_KEPT;

/// How somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// There.
    Online,
    /// There, and not looking.
    Away,
    /// Gone; what the server says when the last socket closes.
    Offline,
}

/// What a signal tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SignalKind {
    /// The account begins or stops typing.
    Typing {
        /// Whether it begins.
        active: bool,
    },
    /// The account is there, or is not.
    Presence {
        /// How it is.
        status: Status,
    },
}

impl SignalKind {
    /// The frame for sockets.
    pub fn frame(self, account_id: AccountId, conversation_id: Option<ConversationId>) -> Arc<str> {
        let frame = match self {
            SignalKind::Typing { active } => Down::Typing { conversation_id, account_id, active },
            SignalKind::Presence { status } => Down::Presence { account_id, status },
        };
        frame.to_text().into()
    }
}

/// A signal on its way to every node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// Whose.
    pub account_id: AccountId,
    /// Members of these conversations get it.
    pub conversations: Vec<ConversationId>,
    /// What it tells.
    pub kind: SignalKind,
}

/// Carries signals to every node, this one included. May lose them, must not wait.
pub trait Relay: Send + Sync + 'static {
    /// Hands on a signal of this node.
    fn publish(&self, signal: Signal);

    /// Signals of all nodes from now on.
    fn signals(&self) -> Signals;
}

/// Signals that come in.
pub struct Signals(broadcast::Receiver<Signal>);

impl Signals {
    /// Signals from a channel.
    pub fn new(receiver: broadcast::Receiver<Signal>) -> Self {
        Self(receiver)
    }

    /// The next signal; `None` when there will be no more.
    pub async fn next(&mut self) -> Option<Signal> {
        loop {
            match self.0.recv().await {
                Ok(signal) => return Some(signal),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

/// The relay of a node that is alone.
pub struct InProcess(broadcast::Sender<Signal>);

impl Default for InProcess {
    fn default() -> Self {
        Self(broadcast::Sender::new(LIVE_SIGNALS_KEPT))
    }
}

impl Relay for InProcess {
    fn publish(&self, signal: Signal) {
        // Nobody listens while the node stops.
        let _ = self.0.send(signal);
    }

    fn signals(&self) -> Signals {
        Signals::new(self.0.subscribe())
    }
}
