//! What an account may have missed, read from its own streams: the conversations that it is or was a member of, those that it
//! joined meanwhile with them; its account, its devices, its sessions; and the organizations and workspaces that addressed it.
//! What others do elsewhere is not read, however much it is.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use domain::conversation_member::conversation_member_id;
use domain::limits::RECEIPTS_FOR_ALL_MEMBERS_MAX;
use domain::{AccountId, Category, SessionId};
use eventstore_schema::{EventLog, LogError, PageLimits, Position, RecordedEvent, StreamId, StreamsPage};
use projections::conversations::queries::MembershipSpan;
use projections::messages::queries::acknowledged;
use projections::{QueryError, Reader, Viewer};

use super::event::LiveEvent;

/// Conversations in which more accounts ever were are large, whatever they are now: who in them has got or read something is told
/// to the account's own devices only. Their senders ask for it when they look.
const SMALL_MEMBERS_MAX: u32 = 4 * RECEIPTS_FOR_ALL_MEMBERS_MAX as u32;

/// The streams of what members did for themselves behind a position in its conversations that an account may be told of: its own,
/// and in small conversations all.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn acknowledgements(
    reader: &Reader,
    account_id: AccountId,
    spans: &[MembershipSpan],
    after: Option<Position>,
) -> Result<Vec<StreamId>, QueryError> {
    let stream = |conversation_id, account_id| {
        StreamId::new(Category::ConversationMember, conversation_member_id(conversation_id, account_id))
    };
    let mut by_organization: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for span in spans.iter().filter(|span| span.left_position.is_none() || span.left_position > after) {
        by_organization.entry(span.organization_id).or_default().push(span.conversation_id);
    }
    let mut streams = Vec::new();
    for (organization_id, conversations) in by_organization {
        let viewer = Viewer { account_id, organization_id: Some(organization_id) };
        let members = acknowledged(reader, &viewer, &conversations, SMALL_MEMBERS_MAX, after).await?;
        streams.extend(members.iter().map(|member| stream(member.conversation_id, member.account_id)));
    }
    Ok(streams)
}

/// A page without what a later event of it tells as well: of how far a device has come, the last receipt says all. Receipts that
/// only some are told of stay, since others are told of the next.
pub fn latest(page: Vec<Arc<LiveEvent>>) -> Vec<Arc<LiveEvent>> {
    let mut told = HashSet::new();
    let mut latest: Vec<_> = page
        .into_iter()
        .rev()
        .filter(|event| match event.receipt() {
            Some(receipt) if receipt.senders.is_none() => {
                told.insert((receipt.conversation_id, receipt.account_id, receipt.device_id))
            }
            Some(_) | None => true,
        })
        .collect();
    latest.reverse();
    latest
}

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
    /// and [`acknowledgements`] behind `after`) show what stands at `until`.
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
