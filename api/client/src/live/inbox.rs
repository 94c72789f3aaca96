//! The opening side of the live stream: each event once, its content verified, keys and memberships looked after.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::conversation::binding::{ContentKind, MessageBinding};
use domain::conversation::{ConversationEvent, MessageBody};
use domain::device::DeviceEvent;
use domain::{ConversationId, Event};
use tokio::sync::mpsc;

use super::frames::{self, Down, EventText};
use super::{Happening, Incoming, Signal};
use crate::api::messages::Range;
use crate::client::Client;
use crate::conversations::Conversations;
use crate::edge;
use crate::error::Error;
use crate::http::Position;
use crate::messages::{Body, Messages, Received};
use crate::people::People;
use crate::session::Session;
use crate::sync;

/// How many events are remembered to tell repeated ones: more than can be under way at once.
const REMEMBERED_EVENTS: usize = 2_048;
/// Messages fetched at once after a reset.
const PAGE_MESSAGES: u32 = 100;
/// Longest wait before a waiting recipient is given its key: of many members one is first, the others see that it is done.
const GIVE_WAIT_MAX: Duration = Duration::from_millis(400);

/// Whoever listens is gone.
struct Gone;

pub(super) struct Inbox {
    session: Arc<Session>,
    messages: Arc<Messages>,
    conversations: Arc<Conversations>,
    people: Arc<People>,
    incoming: mpsc::Sender<Incoming>,
    /// Conversations in which keys are about to be handed on.
    giving: Arc<Mutex<HashSet<ConversationId>>>,
    seen: HashSet<Position>,
    seen_in_order: VecDeque<Position>,
    /// The last message handed on, by conversation.
    last: HashMap<ConversationId, u64>,
    /// Up to where everything was handed on: what is missed in a reset is behind it.
    reached: Option<Position>,
}

impl Inbox {
    pub(super) fn new(
        client: &Client,
        incoming: mpsc::Sender<Incoming>,
        resume_after: Option<Position>,
    ) -> Self {
        Self {
            session: Arc::clone(client.session()),
            messages: Arc::clone(client.messages()),
            conversations: Arc::clone(client.conversations()),
            people: Arc::clone(client.people()),
            incoming,
            giving: Arc::default(),
            seen: HashSet::new(),
            seen_in_order: VecDeque::new(),
            last: HashMap::new(),
            reached: resume_after,
        }
    }

    pub(super) async fn run(mut self, mut signals: mpsc::Receiver<Signal>) {
        while let Some(signal) = signals.recv().await {
            let taken = match signal {
                Signal::Frame(frame) => self.take(frame).await,
                Signal::Lost => self.hand_on(Incoming::Disconnected).await,
                Signal::LoggedOut => self.hand_on(Incoming::LoggedOut).await,
            };
            if taken.is_err() {
                return;
            }
        }
    }

    async fn hand_on(&self, incoming: Incoming) -> Result<(), Gone> {
        self.incoming.send(incoming).await.map_err(|_| Gone)
    }

    async fn take(&mut self, frame: Down) -> Result<(), Gone> {
        match frame {
            Down::Welcome { cursor, .. } => {
                // Where it is another than what was asked to resume after, a reset follows.
                self.reached = self.reached.take().or(cursor);
                self.hand_on(Incoming::Connected).await
            }
            Down::Reset { reason, cursor } => {
                self.conversations.all_changed();
                self.hand_on(Incoming::Reset(reason)).await?;
                let known = self.sync_missed(cursor.clone()).await?;
                self.fetch_missed(known).await?;
                self.reached = cursor.or(self.reached.take());
                Ok(())
            }
            Down::Event { cursor, event } => {
                self.take_event(cursor.clone(), *event).await?;
                self.reached = Some(cursor);
                Ok(())
            }
            Down::Cursor { cursor } => {
                self.reached = Some(cursor);
                Ok(())
            }
            Down::Typing { conversation_id: Some(conversation_id), account_id, active } => {
                self.hand_on(Incoming::Typing { conversation_id, account_id, active }).await
            }
            Down::Presence { account_id, status } => {
                self.hand_on(Incoming::Presence { account_id, status }).await
            }
            Down::Problem { problem } => {
                tracing::warn!(code = problem.code, "the live socket refused a frame");
                Ok(())
            }
            Down::Typing { conversation_id: None, .. } | Down::Other => Ok(()),
        }
    }

    /// Hands on what changed since everything was, as the server shows it where it is at `cursor`, from which the stream goes on;
    /// answers the conversations with the last message handed on that have newer ones. Nothing else is read anew.
    async fn sync_missed(&mut self, cursor: Option<Position>) -> Result<Vec<(ConversationId, u64)>, Gone> {
        let all = |last: &HashMap<_, _>| last.iter().map(|(id, number)| (*id, *number)).collect();
        if self.reached.is_none() {
            return Ok(all(&self.last));
        }
        match sync::sync(&self.session, self.reached.clone(), cursor).await {
            Ok(synced) => {
                let newest = synced.conversations.iter();
                let newest =
                    newest.map(|one| (one.conversation.conversation_id, one.conversation.last_number));
                let known = newest.filter_map(|(id, newest)| {
                    let last = self.last.get(&id).copied()?;
                    (last < newest).then_some((id, last))
                });
                let known = known.collect();
                self.hand_on(Incoming::Synced(Box::new(synced))).await?;
                Ok(known)
            }
            Err(error) => {
                // The application was told to read anew, and does.
                tracing::warn!(%error, "what changed cannot be fetched");
                Ok(all(&self.last))
            }
        }
    }

    /// Fetches the messages after the last that was handed on, of each of these conversations.
    async fn fetch_missed(&mut self, known: Vec<(ConversationId, u64)>) -> Result<(), Gone> {
        for (id, mut number) in known {
            loop {
                let page = match self.messages.history(id, Range::After(number), PAGE_MESSAGES).await {
                    Ok(page) => page,
                    Err(error) => {
                        // The application was told to read anew, and does.
                        tracing::warn!(conversation = %id, %error, "missed messages cannot be fetched");
                        break;
                    }
                };
                let Some(last) = page.last() else { break };
                number = last.number;
                for message in page {
                    self.hand_on(Incoming::Missed(Box::new(message))).await?;
                }
                self.last.insert(id, number);
            }
        }
        Ok(())
    }

    async fn take_event(&mut self, cursor: Position, told: EventText) -> Result<(), Gone> {
        if !self.remember(&cursor) {
            return Ok(());
        }
        let account_id = told.actor.account();
        let Some(event) = frames::event(&told.name, told.data) else {
            return self.hand_on(Incoming::Unreadable { cursor, name: told.name }).await;
        };
        if self.was_fetched(&event) {
            return Ok(());
        }
        self.look_after(&event, &cursor);
        let record = told
            .resource
            .or(told.sealed)
            .and_then(|record| serde_json::from_value::<MessageBody>(record).ok());
        let body = match (binding(&event), record) {
            (None, _) => None,
            (Some(_), None) if told.erased => Some(Body::Erased),
            (Some(_), None) => Some(Body::Locked),
            (Some((binding, encrypted)), Some(body)) => {
                Some(self.open(&Received { binding, encrypted, body }).await)
            }
        };
        let happening = Happening {
            cursor,
            recorded_at: told.at,
            account_id,
            organization_id: told.organization_id,
            event,
            body,
        };
        self.hand_on(Incoming::Event(Box::new(happening))).await
    }

    /// Content whose keys cannot be got at now is there as locked: the stream does not stop for it.
    async fn open(&self, received: &Received) -> Body {
        match self.messages.open(received).await {
            Ok(body) => body,
            Err(error) => {
                tracing::warn!(conversation = %received.binding.conversation_id, %error, "a message stays locked");
                Body::Locked
            }
        }
    }

    /// `false` for an event that was here before.
    fn remember(&mut self, place: &Position) -> bool {
        if !self.seen.insert(place.clone()) {
            return false;
        }
        self.seen_in_order.push_back(place.clone());
        if self.seen_in_order.len() > REMEMBERED_EVENTS
            && let Some(oldest) = self.seen_in_order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        true
    }

    /// Whether the event is a message that was fetched after a reset; notes the last message otherwise.
    fn was_fetched(&mut self, event: &Event) -> bool {
        let Event::Conversation(ConversationEvent::MessageSent(sent)) = event else { return false };
        let last = self.last.entry(sent.conversation_id).or_default();
        if sent.number <= *last {
            return true;
        }
        *last = sent.number;
        false
    }

    /// Keeps what is known of keys and memberships in step with what happened.
    fn look_after(&self, event: &Event, cursor: &Position) {
        match event {
            Event::Conversation(event) => self.look_after_conversation(event, cursor),
            Event::Device(
                DeviceEvent::IdentityPublished(_) | DeviceEvent::Enrolled(_) | DeviceEvent::Revoked(_),
            ) => self.people.forget_own(),
            _ => {}
        }
    }

    fn look_after_conversation(&self, event: &ConversationEvent, cursor: &Position) {
        use ConversationEvent as E;
        match event {
            E::MemberJoined(event) => {
                self.people.forget(event.account_id);
                self.give_soon(event.conversation_id);
            }
            E::RecipientAdded(event) => {
                self.people.forget(event.account_id);
                self.give_soon(event.conversation_id);
            }
            E::WrapReported(event) => self.give_soon(event.conversation_id),
            E::RecipientRemoved(event) => {
                self.people.forget(event.account_id);
                self.conversations.changed(event.conversation_id);
            }
            E::MemberLeft(event) => self.conversations.changed(event.conversation_id),
            E::GenerationCommitted(event) => {
                self.conversations.keys_given(event.conversation_id, cursor);
                self.conversations.committed(event.conversation_id, event.generation);
            }
            E::WrapAdded(event) => self.conversations.keys_given(event.conversation_id, cursor),
            E::Deleted(event) => self.conversations.changed(event.conversation_id),
            E::Reopened(event) => self.conversations.changed(event.conversation_id),
            E::Created(_)
            | E::TitleChanged(_)
            | E::HistoryVisibilityChanged(_)
            | E::MemberRoleChanged(_)
            | E::MessageSent(_)
            | E::MessageEdited(_)
            | E::MessageDeleted(_)
            | E::ReactionSet(_)
            | E::ReactionCleared(_)
            | E::MessagePinned(_)
            | E::MessageUnpinned(_) => {}
        }
    }

    /// Gives waiting recipients their key beside the stream; once for all who come in a row.
    fn give_soon(&self, id: ConversationId) {
        if !lock(&self.giving).insert(id) {
            return;
        }
        let (conversations, giving) = (Arc::clone(&self.conversations), Arc::clone(&self.giving));
        tokio::spawn(async move {
            tokio::time::sleep(edge::jittered(GIVE_WAIT_MAX)).await;
            lock(&giving).remove(&id);
            match conversations.give_wraps(id).await {
                Ok(_) | Err(Error::NoDevice) => {}
                Err(error) => tracing::warn!(conversation = %id, %error, "keys could not be handed on"),
            }
        });
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while it was held leaves a set of ids, which is as good as another.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the content that comes with an event is bound to, and whether it is encrypted.
fn binding(event: &Event) -> Option<(MessageBinding, bool)> {
    let Event::Conversation(event) = event else { return None };
    match event {
        ConversationEvent::MessageSent(sent) => Some((
            MessageBinding {
                conversation_id: sent.conversation_id,
                generation: sent.generation,
                sender_id: sent.sender_id,
                device_id: sent.device_id,
                message_id: sent.message_id,
                kind: ContentKind::Message,
                target: sent.reply_to.unwrap_or_default(),
            },
            sent.encrypted,
        )),
        ConversationEvent::MessageEdited(edited) => Some((
            MessageBinding {
                conversation_id: edited.conversation_id,
                generation: edited.generation,
                sender_id: edited.sender_id,
                device_id: edited.device_id,
                message_id: edited.message_id,
                kind: ContentKind::Edit,
                target: edited.number,
            },
            edited.encrypted,
        )),
        ConversationEvent::ReactionSet(set) => Some((
            MessageBinding {
                conversation_id: set.conversation_id,
                generation: set.generation,
                sender_id: set.account_id,
                device_id: set.device_id,
                message_id: set.reaction_id,
                kind: ContentKind::Reaction,
                target: set.number,
            },
            set.encrypted,
        )),
        _ => None,
    }
}
