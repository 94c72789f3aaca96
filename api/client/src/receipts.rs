//! Acknowledging messages: what is acknowledged in one conversation in quick succession goes to the server together.
//!
//! The first goes at once, those that follow within [`WINDOW`] as one, by the highest numbers. So a client that acknowledges
//! everything that comes makes a request a second, however fast it comes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use domain::ConversationId;
use domain::conversation_member::Watermarks;
use futures_util::future::try_join_all;
use tokio::sync::watch;

use crate::api;
use crate::client::Client;
use crate::error::Error;
use crate::problem::ApiError;
use crate::session::Session;

/// How long acknowledgements of a conversation wait for others: as long as the server, which makes one of them anyway.
const WINDOW: Duration = Duration::from_secs(1);
/// Longest wait before what the server did not take is tried again; it doubles from [`WINDOW`] each time.
const WAIT_MAX: Duration = Duration::from_secs(30);

impl Client {
    /// Notes that this device has got, and its owner has read, everything up to these numbers; the server hears of it within a
    /// second or so, together with what follows. Call it for every message that comes, and [`Client::flush`] before the end.
    /// Has to be called within a Tokio runtime.
    pub fn acknowledge(&self, conversation: ConversationId, delivered_up_to: u64, read_up_to: u64) {
        self.receipts.note(conversation, Watermarks { delivered_up_to, read_up_to });
    }

    /// Sends what is noted and waits until all of it is recorded.
    ///
    /// # Errors
    /// [`Error::Api`]; what was not recorded and may be later stays noted.
    pub async fn flush(&self) -> Result<(), Error> {
        self.receipts.flush().await
    }

    /// Records that this device has got, and its owner has read, everything up to these numbers, and waits for it. The server
    /// records a second receipt of the device a second after the first: whoever acknowledges one message after another does not
    /// wait for each ([`Client::acknowledge`]).
    ///
    /// # Errors
    /// [`Error::Api`].
    pub async fn record_receipt(
        &self,
        conversation: ConversationId,
        delivered_up_to: u64,
        read_up_to: u64,
    ) -> Result<(), Error> {
        api::messages::record_receipt(self.session(), conversation, delivered_up_to, read_up_to).await?;
        Ok(())
    }
}

/// What is noted of a conversation.
#[derive(Default)]
struct Noted {
    /// The highest numbers that the server has not heard of.
    unsent: Option<Watermarks>,
    /// Whether a task sends them.
    is_followed: bool,
}

/// What one client acknowledges.
pub(crate) struct Receipts {
    session: Arc<Session>,
    noted: Mutex<HashMap<ConversationId, Noted>>,
    under_way: watch::Sender<usize>,
}

/// Marks on their way. Dropped before they were recorded, they are noted again.
struct Sending<'a> {
    receipts: &'a Receipts,
    conversation: ConversationId,
    marks: Option<Watermarks>,
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        if let Some(marks) = self.marks {
            raise(self.receipts.lock().entry(self.conversation).or_default(), marks);
        }
        self.receipts.under_way.send_modify(|count| *count = count.saturating_sub(1));
    }
}

fn raise(noted: &mut Noted, marks: Watermarks) {
    noted.unsent = Some(noted.unsent.map_or(marks, |before| before.max(marks)));
}

impl Receipts {
    pub(crate) fn new(session: Arc<Session>) -> Arc<Self> {
        Arc::new(Self { session, noted: Mutex::default(), under_way: watch::Sender::new(0) })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ConversationId, Noted>> {
        // A panic while it was held leaves marks, which are as good as others.
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(self: &Arc<Self>, conversation: ConversationId, marks: Watermarks) {
        let is_followed = {
            let mut noted = self.lock();
            let noted = noted.entry(conversation).or_default();
            raise(noted, marks);
            std::mem::replace(&mut noted.is_followed, true)
        };
        if !is_followed {
            tokio::spawn(follow(Arc::downgrade(self), conversation));
        }
    }

    async fn flush(&self) -> Result<(), Error> {
        loop {
            let unsent = |(id, noted): (&ConversationId, &Noted)| noted.unsent.map(|_| *id);
            let conversations: Vec<_> = self.lock().iter().filter_map(unsent).collect();
            try_join_all(conversations.iter().map(|id| self.send(*id))).await?;
            // The sender is a part of this.
            let _ = self.under_way.subscribe().wait_for(|count| *count == 0).await;
            // What was under way may have failed, and is noted again.
            if self.lock().values().all(|noted| noted.unsent.is_none()) {
                return Ok(());
            }
        }
    }

    /// Sends what is noted of a conversation, if anything is.
    async fn send(&self, conversation: ConversationId) -> Result<(), ApiError> {
        let mut sending = {
            let mut noted = self.lock();
            let Some(marks) = noted.get_mut(&conversation).and_then(|noted| noted.unsent.take()) else {
                return Ok(());
            };
            self.under_way.send_modify(|count| *count = count.saturating_add(1));
            Sending { receipts: self, conversation, marks: Some(marks) }
        };
        let Some(Watermarks { delivered_up_to, read_up_to }) = sending.marks else { return Ok(()) };
        let answer =
            api::messages::record_receipt(&self.session, conversation, delivered_up_to, read_up_to).await;
        if answer.as_ref().map_or_else(is_final, |_| true) {
            sending.marks = None;
        }
        answer.map(|_| ())
    }

    /// Ends following a conversation of which nothing is noted.
    fn leave(&self, conversation: ConversationId) -> bool {
        let mut noted = self.lock();
        let is_done = noted.get(&conversation).is_none_or(|noted| noted.unsent.is_none());
        if is_done {
            noted.remove(&conversation);
        }
        is_done
    }
}

/// Whether the server will never take it.
fn is_final(error: &ApiError) -> bool {
    match error {
        ApiError::Unreachable(_) | ApiError::Unreadable { .. } => false,
        ApiError::Refused(problem) => problem.status < 500 && problem.status != 429,
        ApiError::Address | ApiError::Setup(_) | ApiError::LoggedOut | ApiError::Keep(_) => true,
    }
}

/// Sends what is noted of a conversation, once a window, until nothing is or the client is gone.
async fn follow(client: Weak<Receipts>, conversation: ConversationId) {
    let mut wait = WINDOW;
    while let Some(receipts) = client.upgrade() {
        wait = match receipts.send(conversation).await {
            Ok(()) => WINDOW,
            Err(error) => {
                tracing::warn!(%conversation, %error, "an acknowledgement was not taken");
                (wait * 2).min(WAIT_MAX)
            }
        };
        drop(receipts);
        tokio::time::sleep(wait).await;
        if client.upgrade().is_none_or(|receipts| receipts.leave(conversation)) {
            return;
        }
    }
}
