//! What came in live to one client: gathered beside the play, awaited by it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::conversation::ConversationEvent;
use domain::conversation_member::ConversationMemberEvent;
use domain::{AccountId, AccountRecipient, ConversationId, Event, OrganizationId};
use envoi_client::Client;
use envoi_client::live::{Happening, Incoming};
use envoi_client::messages::Body;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::cli::CliError;

/// Longest wait for something that has to come in: far more than it takes on a busy machine.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// A message as it came in.
#[derive(Clone, Debug)]
pub struct Heard {
    /// What it says, if it was encrypted and everything about it was verified.
    pub text: Option<String>,
    /// When.
    pub at: Instant,
}

/// Everything that came in so far.
#[derive(Debug, Default)]
pub struct Seen {
    /// Whether the stream follows the log.
    pub is_connected: bool,
    /// How often events were missed for good.
    pub resets: usize,
    /// Messages by conversation and number.
    pub messages: BTreeMap<(ConversationId, u64), Heard>,
    /// Messages that came in more than once.
    pub repeated: usize,
    /// The last generation committed, by conversation.
    pub generations: BTreeMap<ConversationId, u32>,
    /// Recipients that were given a wrap after a commit.
    pub wrapped: BTreeSet<AccountRecipient>,
    /// Who left which conversation.
    pub left: BTreeSet<(ConversationId, AccountId)>,
    /// Receipts that were recorded.
    pub receipts: usize,
    /// Events that could not be read.
    pub unreadable: usize,
    /// Conversations that anything came in from.
    pub conversations: BTreeSet<ConversationId>,
    /// Organizations that anything came in from.
    pub organizations: BTreeSet<OrganizationId>,
}

impl Seen {
    fn take(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Connected => self.is_connected = true,
            Incoming::Disconnected | Incoming::LoggedOut => self.is_connected = false,
            Incoming::Reset(_) => self.resets += 1,
            Incoming::Missed(message) => {
                self.hear((message.conversation_id, message.number), Some(message.body));
            }
            Incoming::Event(happening) => self.take_event(*happening),
            Incoming::Unreadable { .. } => self.unreadable += 1,
            Incoming::Synced(_) | Incoming::Typing { .. } | Incoming::Presence { .. } => {}
        }
    }

    fn take_event(&mut self, happening: Happening) {
        self.organizations.extend(happening.organization_id);
        let event = match happening.event {
            Event::Conversation(event) => event,
            Event::ConversationMember(ConversationMemberEvent::ReceiptRecorded(_)) => {
                self.receipts += 1;
                return;
            }
            _ => return,
        };
        self.conversations.insert(event.conversation_id());
        match event {
            ConversationEvent::MessageSent(sent) => {
                self.hear((sent.conversation_id, sent.number), happening.body);
            }
            ConversationEvent::GenerationCommitted(new) => {
                self.generations.insert(new.conversation_id, new.generation);
            }
            ConversationEvent::WrapAdded(added) => {
                self.wrapped.insert(added.wrap.recipient());
            }
            ConversationEvent::MemberLeft(left) => {
                self.left.insert((left.conversation_id, left.account_id));
            }
            _ => {}
        }
    }

    fn hear(&mut self, key: (ConversationId, u64), body: Option<Body>) {
        let text = match &body {
            Some(Body::Encrypted { content, .. }) => content.as_text().map(str::to_owned),
            Some(Body::Clear(_) | Body::Deleted | Body::Erased | Body::Locked | Body::Invalid(_)) | None => {
                None
            }
        };
        let earlier = self.messages.insert(key, Heard { text, at: Instant::now() });
        self.repeated += usize::from(earlier.is_some());
    }
}

/// The live stream of one client, open until it is dropped.
pub struct Inbox {
    seen: watch::Receiver<Seen>,
    task: AbortHandle,
}

impl Inbox {
    /// Opens the stream and waits until it follows the log.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn open(client: &Client) -> Result<Self, CliError> {
        let mut live = client.live(None);
        let (sender, seen) = watch::channel(Seen::default());
        let task = tokio::spawn(async move {
            while let Some(incoming) = live.next().await {
                sender.send_modify(|seen| seen.take(incoming));
            }
        });
        let inbox = Self { seen, task: task.abort_handle() };
        inbox.until("the live stream to open", |seen| seen.is_connected).await?;
        Ok(inbox)
    }

    /// Waits until what came in fits `condition`.
    ///
    /// # Errors
    /// When it does not in time, naming `what` was waited for.
    pub async fn until(&self, what: &str, condition: impl FnMut(&Seen) -> bool) -> Result<(), CliError> {
        let mut seen = self.seen.clone();
        let missing = || CliError::check_failed(format!("waited in vain for {what}"));
        match tokio::time::timeout(WAIT_MAX, seen.wait_for(condition)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(missing().hint("the live stream has ended")),
            Err(_) => Err(missing()),
        }
    }

    /// Looks at what came in.
    pub fn look<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.seen.borrow())
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.task.abort();
    }
}
