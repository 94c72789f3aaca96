//! Acknowledging messages: what is acknowledged in one conversation in quick succession goes to the server together.
//!
//! The first goes at once, those that follow within [`WINDOW`] as one, by the highest numbers. So a client that acknowledges
//! everything that comes makes a request a second, however fast it comes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use domain::ConversationId;
use domain::conversation_member::Watermarks;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::watch;

use crate::api;
use crate::client::Client;
use crate::error::Error;
use crate::problem::ApiError;
use crate::session::Session;

/// How long acknowledgements of a conversation wait for others: as long as the server, which makes one of them anyway.
const WINDOW: Duration = Duration::from_secs(1);
/// Conversations whose acknowledgements are sent at once by [`Client::flush`]: a burst of them all would be refused.
const AT_ONCE: usize = 8;
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
    /// How many are on their way: they may come back.
    sending: usize,
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
        {
            let mut noted = self.receipts.lock();
            let noted = noted.entry(self.conversation).or_default();
            noted.sending = noted.sending.saturating_sub(1);
            if let Some(marks) = self.marks {
                raise(noted, marks);
            }
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
            let sends = stream::iter(conversations).map(|id| self.send(id)).buffer_unordered(AT_ONCE);
            sends.try_collect::<()>().await?;
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
            let Some(noted) = noted.get_mut(&conversation) else { return Ok(()) };
            let Some(marks) = noted.unsent.take() else { return Ok(()) };
            noted.sending += 1;
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

    /// Ends following a conversation of which nothing is noted, nor on its way.
    fn leave(&self, conversation: ConversationId) -> bool {
        let mut noted = self.lock();
        let is_done = |noted: &Noted| noted.unsent.is_none() && noted.sending == 0;
        let is_done = noted.get(&conversation).is_none_or(is_done);
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

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use domain::{AccountId, SessionId};
    use futures_util::FutureExt;
    use serde_json::json;

    use super::*;
    use crate::http::Http;
    use crate::keystore::{KeyState, KeyStore, StoredSession};
    use crate::testing::{Reply, TestServer};

    const MARKS: Watermarks = Watermarks { delivered_up_to: 2, read_up_to: 1 };

    fn conversation(number: u8) -> ConversationId {
        ConversationId::from_bytes([number; 16])
    }

    fn receipts(server: &TestServer) -> Arc<Receipts> {
        let mut state = KeyState::new(&server.base, AccountId::from_bytes([1; 16]));
        let session_id = SessionId::from_bytes([2; 16]);
        state.session = Some(StoredSession { session_id, refresh_token: "refresh-0".to_owned() });
        let store = Arc::new(KeyStore::in_memory(state));
        Receipts::new(Arc::new(Session::resume(Http::new(&server.base).unwrap(), store)))
    }

    fn tokens() -> Reply {
        Reply::json(json!({
            "account_id": AccountId::from_bytes([1; 16]), "session_id": SessionId::from_bytes([2; 16]), "expires_in": 600,
            "position": "p", "access_token": "access-1", "refresh_token": "refresh-1",
        }))
    }

    #[tokio::test]
    async fn nobody_leaves_while_marks_may_come_back() {
        let server = TestServer::start(|_, _| Reply::HangUp).await;
        let receipts = receipts(&server);
        raise(receipts.lock().entry(conversation(1)).or_default(), MARKS);
        let mut sending = Box::pin(receipts.send(conversation(1)));
        assert!(sending.as_mut().now_or_never().is_none());
        assert!(!receipts.leave(conversation(1)), "they are on their way");
        drop(sending);
        assert!(!receipts.leave(conversation(1)), "they came back");
        assert_eq!(receipts.lock()[&conversation(1)].unsent, Some(MARKS));
        assert_eq!(*receipts.under_way.borrow(), 0);
    }

    #[tokio::test]
    async fn a_flush_sends_a_few_at_once() {
        let (of_test, most) = (Arc::new(OnceLock::<Arc<Receipts>>::new()), Arc::new(AtomicUsize::new(0)));
        let (in_server, counted) = (Arc::clone(&of_test), Arc::clone(&most));
        let server = TestServer::start(move |_, seen| {
            if seen.line.contains("refresh") {
                return tokens();
            }
            counted.fetch_max(*in_server.get().unwrap().under_way.borrow(), Ordering::Relaxed);
            Reply::json(json!(null))
        })
        .await;
        let receipts = of_test.get_or_init(|| receipts(&server));
        for number in 0..50 {
            raise(receipts.lock().entry(conversation(number)).or_default(), MARKS);
        }
        receipts.flush().await.unwrap();
        assert_eq!(server.seen().iter().filter(|one| one.line.contains("/receipts")).count(), 50);
        assert!((2..=AT_ONCE).contains(&most.load(Ordering::Relaxed)));
    }
}
