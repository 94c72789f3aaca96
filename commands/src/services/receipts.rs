//! Receipts: what members of conversations acknowledge. Those that one device gives in quick succession are recorded together,
//! so that the log grows with time and not with messages.
//!
//! The first is recorded at once. As long as its window is open the others wait, and are recorded as one by the highest marks
//! when it ends. Whoever waits is answered when what they acknowledged is on record.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::conversation::Conversation;
use domain::conversation_member::commands::{ConversationMemberCommand, RecordReceipt};
use domain::conversation_member::{
    ConversationMember, ConversationMemberEvent, Watermarks, conversation_member_id,
};
use domain::{AccountId, ConversationId, DeviceId, SessionId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use super::Conversations;
use crate::executor::{ExecuteError, Executed};
use crate::limits::{OVERLOADED_RETRY_AFTER, RECEIPT_WINDOW, RECEIPT_WINDOWS_MAX, RECEIPTS_PER_WINDOW_MAX};
use crate::request::{CommandIdentity, Content, Request};

type Answer = Result<Executed<ConversationMemberEvent>, ExecuteError>;

/// Whose receipts are recorded together. What one session may, another of the same device may not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Source {
    conversation_id: ConversationId,
    account_id: AccountId,
    device_id: DeviceId,
    session_id: Option<SessionId>,
}

/// Somebody who waits for a receipt to be recorded.
struct Caller {
    request: Request,
    marks: Watermarks,
    reply: oneshot::Sender<Answer>,
    /// Held until the answer.
    _place: Option<OwnedSemaphorePermit>,
}

/// Those who came since a window was opened.
struct Waiting {
    callers: Vec<Caller>,
    /// Places for those who wait in it; whoever finds none waits for one.
    places: Arc<Semaphore>,
}

/// What becomes of somebody who comes with a receipt.
enum Entered {
    /// They wait in the window that is open.
    Waits,
    /// They are the first: a window was opened for them.
    Opens(Window, Caller),
    /// Too many wait already. They are given back, to come again when there is a place.
    Full(Caller, Arc<Semaphore>),
}

/// The windows that are open, each with those who came since it was opened. Clones share them.
#[derive(Clone)]
pub(super) struct Windows {
    open: Arc<Mutex<HashMap<Source, Waiting>>>,
    places: Arc<Semaphore>,
    ending: watch::Sender<bool>,
}

impl Default for Windows {
    fn default() -> Self {
        let places = Arc::new(Semaphore::new(RECEIPT_WINDOWS_MAX));
        Self { open: Arc::default(), places, ending: watch::Sender::new(false) }
    }
}

/// A window. Dropping one that was not closed tells those who wait that it was cut short.
struct Window {
    windows: Windows,
    source: Source,
    /// Another one may be open for the source by now.
    is_closed: bool,
    _place: OwnedSemaphorePermit,
}

impl Drop for Window {
    fn drop(&mut self) {
        if !self.is_closed {
            let left = self.windows.lock().remove(&self.source);
            drop(left);
        }
    }
}

impl Windows {
    fn lock(&self) -> MutexGuard<'_, HashMap<Source, Waiting>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets somebody wait in the window that is open, or opens one for them: then they are given back with it.
    fn enter(&self, source: Source, mut caller: Caller) -> Result<Entered, ExecuteError> {
        match self.lock().entry(source) {
            Entry::Occupied(mut entry) => {
                let places = Arc::clone(&entry.get().places);
                match Arc::clone(&places).try_acquire_owned() {
                    Ok(place) => {
                        caller._place = Some(place);
                        entry.get_mut().callers.push(caller);
                        Ok(Entered::Waits)
                    }
                    Err(_) => Ok(Entered::Full(caller, places)),
                }
            }
            Entry::Vacant(entry) => {
                let overloaded = |_| ExecuteError::Overloaded { retry_after: OVERLOADED_RETRY_AFTER };
                let place = Arc::clone(&self.places).try_acquire_owned().map_err(overloaded)?;
                let places = Arc::new(Semaphore::new(RECEIPTS_PER_WINDOW_MAX));
                entry.insert(Waiting { callers: Vec::new(), places });
                let window = Window { windows: self.clone(), source, is_closed: false, _place: place };
                Ok(Entered::Opens(window, caller))
            }
        }
    }

    /// Records at once what waits, from now on, and waits until nothing does.
    async fn end(&self) {
        self.ending.send_replace(true);
        let all = u32::try_from(RECEIPT_WINDOWS_MAX).unwrap_or(u32::MAX);
        let _ = self.places.acquire_many(all).await;
    }
}

impl Window {
    /// Those who came since the window was opened, once it ends; with nobody it is closed.
    async fn next(mut self, began: Instant) -> Option<(Self, Vec<Caller>)> {
        let mut ending = self.windows.ending.subscribe();
        tokio::select! {
            () = sleep_until(began + RECEIPT_WINDOW) => {}
            // The sender is a part of this window.
            _ = ending.wait_for(|ending| *ending) => {}
        }
        let callers = {
            let mut open = self.windows.lock();
            match open.get_mut(&self.source).map(|waiting| std::mem::take(&mut waiting.callers)) {
                Some(callers) if !callers.is_empty() => callers,
                // In one step with the look, so that nobody comes in between.
                _ => {
                    open.remove(&self.source);
                    self.is_closed = true;
                    Vec::new()
                }
            }
        };
        (!self.is_closed).then_some((self, callers))
    }
}

impl Conversations {
    /// Records what the device has got and its owner has read, with others of the same device in the same second. Cancelling the
    /// wait does not cancel the receipt.
    ///
    /// # Errors
    /// See [`ExecuteError`]; `Overloaded` also when too many windows are open.
    pub async fn record_receipt(&self, request: &Request, id: ConversationId, marks: Watermarks) -> Answer {
        if request.expected_revision.is_some() {
            // It is about this one alone.
            return self.record(request, id, marks).await;
        }
        let source = Source {
            conversation_id: id,
            account_id: request.context.account()?,
            device_id: request.context.device()?,
            session_id: request.session,
        };
        let (reply, answer) = oneshot::channel();
        let mut caller = Caller { request: *request, marks, reply, _place: None };
        loop {
            match self.receipts.enter(source, caller)? {
                Entered::Waits => break,
                Entered::Opens(window, caller) => {
                    self.executor.runtime().spawn(self.clone().keep(window, vec![caller]));
                    break;
                }
                Entered::Full(again, places) => {
                    // Until one of those before is answered. It is never closed.
                    let _ = places.acquire().await;
                    caller = again;
                }
            }
        }
        let cut_short = |_| ExecuteError::Unavailable { reason: "execution was cut short".to_owned() };
        answer.await.map_err(cut_short)?
    }

    /// Records what waits, and waits until all is; for an orderly end after no more come in.
    pub async fn end(&self) {
        self.receipts.end().await;
    }

    /// Records what comes in by a window until nobody waits at its end.
    async fn keep(self, mut window: Window, mut callers: Vec<Caller>) {
        loop {
            let began = Instant::now();
            self.record_together(window.source.conversation_id, callers).await;
            let Some(next) = window.next(began).await else { return };
            (window, callers) = next;
        }
    }

    /// Records for all who wait by the highest marks. A single one's receipt keeps its own id, so that its repetition is answered
    /// as the first time; what several gave is on record under none of theirs, and whoever repeats it finds it recorded.
    async fn record_together(&self, id: ConversationId, callers: Vec<Caller>) {
        let clock = self.executor.clock();
        let [_, .., last] = callers.as_slice() else {
            for Caller { mut request, marks, reply, _place } in callers {
                // It may have waited. A caller who went away has missed it and may ask again.
                request.context.now = clock.now();
                let _ = reply.send(self.record(&request, id, marks).await);
            }
            return;
        };
        let mut request = last.request;
        request.context.now = clock.now();
        request.command = CommandIdentity { id: clock.new_id(), content: Content::IMPLIED };
        let marks = callers.iter().fold(Watermarks::default(), |highest, one| highest.max(one.marks));
        let answer = self.record(&request, id, marks).await;
        for Caller { request, marks, reply, _place } in callers {
            // One of them may be wrong about what there is: the others are not refused for it.
            let own = match &answer {
                Err(ExecuteError::Rejected(_)) => self.record(&request, id, marks).await,
                answer => answer.clone(),
            };
            let _ = reply.send(own);
        }
    }

    /// Records a receipt. What the conversation says of it may be out of date: whoever was a member then has got what there was
    /// then, whatever happened since. So nothing is read where it says yes, and it is asked again where it says no.
    async fn record(&self, request: &Request, id: ConversationId, marks: Watermarks) -> Answer {
        if let Some((request, conditions)) = self.peek_admitted(request, id) {
            let look = |state: &Conversation| state.acknowledge(marks, &request.context);
            if let Some((Ok(acknowledgement), _)) = self.executor.peek(id, look) {
                let member_id = conversation_member_id(id, request.context.account()?);
                let command = ConversationMemberCommand::RecordReceipt(RecordReceipt { acknowledgement });
                let executor = &self.executor;
                let answer =
                    executor.execute_on::<ConversationMember>(member_id, command, &request, conditions).await;
                if !matches!(answer, Err(ExecuteError::Undecided)) {
                    return answer;
                }
            }
        }
        let request = self.admitted(request, id).await?;
        let context = request.context;
        let member_id = conversation_member_id(id, context.account()?);
        let look = move |state: &Conversation, _| state.acknowledge(marks, &context);
        match self.executor.view(id, look).await? {
            Ok(acknowledgement) => {
                let command = ConversationMemberCommand::RecordReceipt(RecordReceipt { acknowledgement });
                self.executor.execute::<ConversationMember>(member_id, command, &request).await
            }
            Err(rejection) => {
                self.executor.refuse::<ConversationMember>(member_id, &request, rejection.into()).await
            }
        }
    }
}
