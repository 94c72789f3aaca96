//! What an account may have missed, read from its own streams: the conversations that it is or was a member of, those that it
//! joined meanwhile with them; its account, its devices, its sessions; and the organizations and workspaces that addressed it.
//! What others do elsewhere is not read, however much it is.

use std::collections::{BTreeSet, HashMap};

use domain::{AccountId, Category, SessionId};
use eventstore_schema::{EventLog, LogError, PageLimits, Position, RecordedEvent, StreamId, StreamsPage};
use projections::conversations::queries::MembershipSpan;

/// The streams that may hold something for an account between two positions, and how far they were read.
pub struct Missed {
    /// Those that are not read to the end.
    streams: Vec<StreamId>,
    /// Behind which position a conversation has nothing more for the account: it left.
    left: HashMap<StreamId, Position>,
    reached: Option<Position>,
    until: Position,
}

impl Missed {
    /// What account and session missed behind `after`, up to and with `until`. `spans` and `addressed` ([`projections::addressed`]
    /// behind `after`) show what stands at `until`.
    pub fn new(
        account_id: AccountId,
        session_id: SessionId,
        spans: &[MembershipSpan],
        addressed: Vec<StreamId>,
        (after, until): (Option<Position>, Position),
    ) -> Self {
        let mut streams: BTreeSet<_> = addressed.into_iter().collect();
        let mut left = HashMap::new();
        for span in spans {
            let conversation = StreamId::new(Category::Conversation, span.conversation_id);
            // A row that stands still does not tell who has left.
            if let Some(position) = span.left_position.filter(|_| !span.parked) {
                if Some(position) <= after {
                    continue;
                }
                left.insert(conversation, position);
            }
            streams.insert(conversation);
            // What becomes of a workspace is for those who are in its conversations.
            streams.extend(span.workspace_id.map(|id| StreamId::new(Category::Workspace, id)));
        }
        streams.insert(StreamId::new(Category::Account, account_id));
        streams.insert(StreamId::new(Category::Device, account_id));
        streams.insert(StreamId::new(Category::Session, session_id));
        Self { streams: streams.into_iter().collect(), left, reached: after, until }
    }

    /// Up to where everything was read.
    pub fn reached(&self) -> Option<Position> {
        self.reached
    }

    /// Whether there may be more.
    pub fn goes_on(&self) -> bool {
        self.reached < Some(self.until)
    }

    /// The next events, in the order of the log.
    ///
    /// # Errors
    /// When the log cannot be reached.
    pub async fn next(
        &mut self,
        log: &dyn EventLog,
        limits: PageLimits,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        let page = log.read_streams(&self.streams, self.reached, self.until, limits).await?;
        let StreamsPage { events, reached, rest } = page;
        self.reached = Some(reached);
        self.streams = rest;
        self.streams.retain(|stream| self.left.get(stream).is_none_or(|left| *left > reached));
        if self.streams.is_empty() {
            self.reached = Some(self.until);
        }
        Ok(events)
    }
}
