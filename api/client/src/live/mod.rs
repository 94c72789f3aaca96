//! What happens, as it happens: an ordered stream of decrypted events that survives lost connections.
//!
//! Events come in the log's order, each once. After a lost connection the stream goes on where it was; when the server
//! cannot do that any more it says so ([`Incoming::Reset`]), what changed since is asked for ([`Incoming::Synced`]), and messages of
//! conversations seen here that were missed are fetched and handed on before anything newer. Membership and keys are looked after on the way: a device that waits for a
//! key is given it.

mod frames;
mod inbox;
mod socket;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use domain::{AccountId, ConversationId, Event, OrganizationId, Timestamp};
use tokio::sync::mpsc;

pub use frames::{ResetReason, Status};

use crate::client::Client;
use crate::edge;
use crate::http::Position;
use crate::messages::{Body, Message};
use crate::session::Session;
use crate::sync::Synced;
use frames::{Down, Up};
use socket::Ended;

/// Events that wait to be taken; when they are not, the server cuts the connection and it is resumed later.
const WAITING_MAX: usize = 256;
/// Wait before the first reconnection; it doubles with each that fails.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// Longest wait between reconnections.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// Something that came in.
#[derive(Debug)]
pub enum Incoming {
    /// The stream follows the log from here on.
    Connected,
    /// The connection is lost; it is being opened again.
    Disconnected,
    /// Events were missed for good: [`Incoming::Synced`] and missed messages follow. Where no sync follows, what is shown has to be
    /// read anew.
    Reset(ResetReason),
    /// What changed while events were missed, as it is now. What changed inside a conversation tells [`Client::changes`], behind
    /// the same place.
    Synced(Box<Synced>),
    /// Something happened.
    Event(Box<Happening>),
    /// Something happened that this version does not know or cannot read: the server's is newer.
    Unreadable {
        /// Where it stands; the stream resumes after it.
        cursor: Position,
        /// What it is called.
        name: String,
    },
    /// A message that was missed before a reset.
    Missed(Box<Message>),
    /// Somebody types, or stopped.
    Typing {
        /// Where.
        conversation_id: ConversationId,
        /// Who.
        account_id: AccountId,
        /// Whether still.
        active: bool,
    },
    /// Somebody came or went.
    Presence {
        /// Who.
        account_id: AccountId,
        /// How they are to be shown.
        status: Status,
    },
    /// The session is over; nothing follows.
    LoggedOut,
}

/// An event, with what it says opened.
#[derive(Debug)]
pub struct Happening {
    /// Where it stands; the stream resumes after it.
    pub cursor: Position,
    /// When it was recorded, by the server's clock.
    pub recorded_at: Timestamp,
    /// Whose doing it was, where an account's.
    pub account_id: Option<AccountId>,
    /// In which organization.
    pub organization_id: Option<OrganizationId>,
    /// What happened. Wraps are not in it.
    pub event: Event,
    /// What a message, edit or reaction says.
    pub body: Option<Body>,
}

/// The stream of one client. Dropping it ends it.
pub struct Live {
    incoming: mpsc::Receiver<Incoming>,
    up: mpsc::Sender<Up>,
    tasks: [tokio::task::AbortHandle; 2],
}

impl Live {
    pub(crate) fn start(client: &Client, resume_after: Option<Position>) -> Self {
        let (frames, received) = mpsc::channel(WAITING_MAX);
        let (hand_on, incoming) = mpsc::channel(WAITING_MAX);
        let (up, to_send) = mpsc::channel(WAITING_MAX);
        let session = Arc::clone(client.session());
        let inbox = inbox::Inbox::new(client, hand_on, resume_after.clone());
        let follow = tokio::spawn(follow(session, resume_after, frames, to_send));
        let open = tokio::spawn(inbox.run(received));
        Self { incoming, up, tasks: [follow.abort_handle(), open.abort_handle()] }
    }

    /// What came in next; `None` when the stream is over, after [`Incoming::LoggedOut`]. Can be cancelled without loss.
    pub async fn next(&mut self) -> Option<Incoming> {
        self.incoming.recv().await
    }

    /// Shows others that the owner types, or stopped. Lost while there is no connection.
    pub fn typing(&self, conversation_id: ConversationId, active: bool) {
        let _ = self.up.try_send(Up::Typing { conversation_id, active });
    }

    /// Shows others how the owner is to be shown. Lost while there is no connection.
    pub fn presence(&self, status: Status) {
        let _ = self.up.try_send(Up::Presence { status });
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// What the connecting side hands to the opening side.
pub(crate) enum Signal {
    Frame(Down),
    Lost,
    LoggedOut,
}

/// Keeps a connection open. Each resumes after the last event that was handed on: what was handed on is taken in.
async fn follow(
    session: Arc<Session>,
    mut cursor: Option<Position>,
    signals: mpsc::Sender<Signal>,
    mut up: mpsc::Receiver<Up>,
) {
    let mut wait = FIRST_WAIT;
    loop {
        let began = tokio::time::Instant::now();
        let resume_after = cursor.clone();
        let (frames, mut received) = mpsc::channel(1);
        let connection = async {
            let ended = socket::run(&session, resume_after, &frames, &mut up).await;
            drop(frames);
            ended
        };
        let mut welcomed = false;
        let forward = async {
            while let Some(frame) = received.recv().await {
                welcomed |= matches!(frame, Down::Welcome { .. });
                if let Some(reached) = frame.cursor() {
                    cursor = Some(reached.clone());
                }
                if signals.send(Signal::Frame(frame)).await.is_err() {
                    break;
                }
            }
            drop(received);
        };
        let (ended, ()) = tokio::join!(connection, forward);
        match ended {
            Ended::Dropped => return,
            Ended::LoggedOut => {
                let _ = signals.send(Signal::LoggedOut).await;
                return;
            }
            // When renewing fails, too, the next connection tells why.
            Ended::Unauthenticated => drop(session.renew_now().await),
            Ended::Lost | Ended::Refused => {}
        }
        if signals.is_closed() || (welcomed && signals.send(Signal::Lost).await.is_err()) {
            return;
        }
        if began.elapsed() > WAIT_MAX {
            wait = FIRST_WAIT;
        }
        tokio::time::sleep(edge::jittered(wait)).await;
        wait = (wait * 2).min(WAIT_MAX);
    }
}
