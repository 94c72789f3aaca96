//! Reads and subscriptions.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_stream::try_stream;
use futures_util::{Stream, StreamExt as _};
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::event::Told;
use crate::faults::Counted;
use crate::filter::Filter;
use crate::log::{Page, StreamPage};
use crate::node::Node;
use crate::proto::StreamIdentifier;
use crate::proto::streams::read_req::Options;
use crate::proto::streams::read_req::options::all_options::AllOption;
use crate::proto::streams::read_req::options::stream_options::RevisionOption;
use crate::proto::streams::read_req::options::{
    CountOption, FilterOption, ReadDirection, StreamOption, uuid_option::Content as IdForm,
};
use crate::proto::streams::read_resp::{
    CaughtUp, Checkpoint, Content, FellBehind, StreamNotFound, SubscriptionConfirmation,
};
use crate::proto::streams::{ReadReq, ReadResp};
use crate::status;
use crate::streams::{stream_name, thrown};

/// The high half of the ids of subscriptions.
const SUBSCRIPTION_IDS: u64 = 0x6573_6462_0002_4000;

/// A live subscription that is further behind reads the log again, and says so.
const LIVE_RECORDS_MAX: usize = 1_000;

/// What a read sends: most of it events, copied out as they were stored.
pub(crate) enum Frame {
    Event(Told),
    Other(Box<ReadResp>),
}

pub(crate) type Frames = Pin<Box<dyn Stream<Item = Result<Frame, Status>> + Send>>;

/// Ends frames with the status of a call that took too long.
pub(crate) fn until(mut frames: Frames, deadline: Instant) -> Frames {
    Box::pin(try_stream! {
        loop {
            match tokio::time::timeout_at(deadline, frames.next()).await {
                // A frame that is ready counts before the time that is up.
                Ok(Some(frame)) if Instant::now() < deadline => yield frame?,
                Ok(None) => return,
                Ok(Some(_)) | Err(_) => Err(status::deadline_exceeded())?,
            }
        }
    })
}

/// Answers a read or a subscription, of a stream or of `$all`.
pub(crate) async fn read(node: Arc<Node>, request: Request<ReadReq>) -> Result<Response<Frames>, Status> {
    node.admit(request.metadata(), false).await?;
    let options = request.into_inner().options.ok_or_else(|| thrown("a read has options"))?;
    let direction = options.read_direction();
    let Options { stream_option, count_option, filter_option, uuid_option, control_option, .. } = options;
    let structured_ids = !matches!(uuid_option.and_then(|option| option.content), Some(IdForm::String(_)));
    let filter = match filter_option {
        Some(FilterOption::Filter(filter)) => {
            Some(Filter::from_wire(filter).map_err(Status::invalid_argument)?)
        }
        Some(FilterOption::NoFilter(_)) | None => None,
    };
    let compatibility = control_option.map_or(0, |option| option.compatibility);
    let invalid = || Status::invalid_argument("The combination of the read's options is invalid.");
    let frames: Frames = match (stream_option.ok_or_else(invalid)?, count_option.ok_or_else(invalid)?) {
        (StreamOption::Stream(option), CountOption::Count(count)) if filter.is_none() => {
            let stream = stream_name(option.stream_identifier)?;
            let from = option.revision_option.ok_or_else(invalid)?;
            let read =
                StreamRead { node, stream, count, structured_ids, tells_positions: compatibility >= 1 };
            match direction {
                ReadDirection::Forwards => Box::pin(read.forwards(from)),
                ReadDirection::Backwards => Box::pin(read.backwards(from)),
            }
        }
        (StreamOption::All(option), CountOption::Count(count)) => {
            let from = option.all_option.ok_or_else(invalid)?;
            let read = AllRead { node, count, structured_ids, filter };
            match direction {
                ReadDirection::Forwards => Box::pin(read.forwards(from)),
                ReadDirection::Backwards => Box::pin(read.backwards(from)),
            }
        }
        (StreamOption::Stream(option), CountOption::Subscription(_))
            if filter.is_none() && direction == ReadDirection::Forwards =>
        {
            let stream = stream_name(option.stream_identifier)?;
            let after = option.revision_option.ok_or_else(invalid)?;
            Box::pin(subscribe_to_stream(node, stream, after, structured_ids))
        }
        (StreamOption::All(option), CountOption::Subscription(_)) if direction == ReadDirection::Forwards => {
            let after = option.all_option.ok_or_else(invalid)?;
            Box::pin(subscribe_to_all(node, after, filter, structured_ids))
        }
        _ => return Err(invalid()),
    };
    Ok(Response::new(frames))
}

struct StreamRead {
    node: Arc<Node>,
    stream: String,
    count: u64,
    structured_ids: bool,
    /// Whether the client understands where the stream begins and ends.
    tells_positions: bool,
}

impl StreamRead {
    fn forwards(self, from: RevisionOption) -> impl Stream<Item = Result<Frame, Status>> {
        let from = match from {
            RevisionOption::Revision(revision) => revision,
            RevisionOption::Start(_) => 0,
            RevisionOption::End(_) => u64::MAX,
        };
        self.pages(from, |read, from, left| {
            read.node.log.stream_forwards(&read.stream, from, left, read.structured_ids)
        })
    }

    fn backwards(self, from: RevisionOption) -> impl Stream<Item = Result<Frame, Status>> {
        let from = match from {
            RevisionOption::Revision(revision) => revision,
            RevisionOption::Start(_) => 0,
            RevisionOption::End(_) => u64::MAX,
        };
        self.pages(from, |read, from, left| {
            read.node.log.stream_backwards(&read.stream, from, left, read.structured_ids)
        })
    }

    fn pages(
        self,
        from: u64,
        page: impl Fn(&Self, u64, u64) -> StreamPage + Send,
    ) -> impl Stream<Item = Result<Frame, Status>> {
        try_stream! {
            let mut next = Some(from);
            let mut left = self.count;
            let mut is_first = true;
            while let Some(at) = next.filter(|_| left > 0 || is_first) {
                match page(&self, at, left) {
                    StreamPage::Missing => {
                        yield other(Content::StreamNotFound(StreamNotFound {
                            stream_identifier: Some(identifier(&self.stream)),
                        }));
                        return;
                    }
                    StreamPage::Tombstoned => Err(status::stream_deleted(&self.stream))?,
                    StreamPage::Found { told, next: following, first, last } => {
                        if self.tells_positions && is_first && told.is_empty() && at > last && self.count > 0 {
                            yield other(Content::FirstStreamPosition(last + 1));
                        }
                        if self.tells_positions && is_first && at < first {
                            yield other(Content::FirstStreamPosition(first));
                        }
                        left -= told.len() as u64;
                        next = following;
                        for event in told {
                            yield Frame::Event(event);
                        }
                        if self.tells_positions && (next.is_none() || left == 0) {
                            yield other(Content::LastStreamPosition(last));
                        }
                    }
                }
                is_first = false;
            }
        }
    }
}

struct AllRead {
    node: Arc<Node>,
    count: u64,
    structured_ids: bool,
    filter: Option<Filter>,
}

impl AllRead {
    /// From the given position on, with the event at it.
    fn forwards(self, from: AllOption) -> impl Stream<Item = Result<Frame, Status>> {
        let from = match from {
            AllOption::Position(position) => self.node.log.index_at(position.commit_position),
            AllOption::Start(_) => 0,
            AllOption::End(_) => self.node.log.len(),
        };
        self.pages(from, |read, from, left| {
            read.node.log.all_forwards(from, left, u64::MAX, read.filter.as_mut(), read.structured_ids)
        })
    }

    /// From the given position back, without the event at it.
    fn backwards(self, from: AllOption) -> impl Stream<Item = Result<Frame, Status>> {
        let before = match from {
            AllOption::Position(position) => self.node.log.index_at(position.commit_position),
            AllOption::Start(_) => 0,
            AllOption::End(_) => self.node.log.len(),
        };
        self.pages(before, |read, before, left| {
            read.node.log.all_backwards(before, left, read.filter.as_mut(), read.structured_ids)
        })
    }

    fn pages(
        mut self,
        from: usize,
        page: impl Fn(&mut Self, usize, u64) -> Page + Send,
    ) -> impl Stream<Item = Result<Frame, Status>> {
        try_stream! {
            let mut at = from;
            let mut left = self.count;
            while left > 0 {
                let page = page(&mut self, at, left);
                let is_end = page.is_end();
                left -= page.told.len() as u64;
                at = page.next;
                for event in page.told {
                    yield Frame::Event(event);
                }
                if is_end {
                    return;
                }
            }
        }
    }
}

/// Confirms; tells what lies behind `after`; says that it caught up; tells what comes.
fn subscribe_to_all(
    node: Arc<Node>,
    after: AllOption,
    mut filter: Option<Filter>,
    structured_ids: bool,
) -> impl Stream<Item = Result<Frame, Status>> {
    let mut at = match after {
        // A position between two records is behind the first of them.
        AllOption::Position(position) => node.log.index_at(position.commit_position.saturating_add(1)),
        AllOption::Start(_) => 0,
        AllOption::End(_) => node.log.len(),
    };
    let interval = filter.as_ref().map(|filter| filter.checkpoint_interval);
    try_stream! {
        let _counted = Counted::new(&node.switches.open_subscriptions);
        let mut waiting = Waiting::new(&node);
        yield confirmation();
        let mut is_live = false;
        let mut since_checkpoint = 0;
        let mut checkpoint = None;
        loop {
            waiting.length.mark_unchanged();
            let most = interval.map_or(u64::MAX, |interval| interval - since_checkpoint);
            let page = node.log.all_forwards(at, u64::MAX, most, filter.as_mut(), structured_ids);
            let is_end = page.is_end();
            at = page.next;
            for event in page.told {
                yield Frame::Event(event);
            }
            since_checkpoint += page.considered;
            checkpoint = page.last.or(checkpoint);
            let caught_up = is_end && !is_live;
            let fell_behind = is_live && page.left > LIVE_RECORDS_MAX;
            if let Some(interval) = interval
                && (since_checkpoint >= interval
                    || fell_behind
                    || (caught_up && node.checkpoint_when_caught_up))
            {
                since_checkpoint = 0;
                if let Some(position) = checkpoint.take() {
                    let position = Checkpoint { commit_position: position, prepare_position: position };
                    yield other(Content::Checkpoint(position));
                }
            }
            if caught_up {
                is_live = true;
                yield other(Content::CaughtUp(CaughtUp {}));
            }
            if fell_behind {
                is_live = false;
                yield other(Content::FellBehind(FellBehind {}));
            }
            waiting.wait(is_end).await?;
        }
    }
}

fn subscribe_to_stream(
    node: Arc<Node>,
    stream: String,
    after: RevisionOption,
    structured_ids: bool,
) -> impl Stream<Item = Result<Frame, Status>> {
    let mut at = match after {
        RevisionOption::Revision(revision) => revision.saturating_add(1),
        RevisionOption::Start(_) => 0,
        RevisionOption::End(_) => node.log.last_revision(&stream).map_or(0, |last| last + 1),
    };
    try_stream! {
        let _counted = Counted::new(&node.switches.open_subscriptions);
        let mut waiting = Waiting::new(&node);
        yield confirmation();
        let mut is_live = false;
        loop {
            waiting.length.mark_unchanged();
            let is_end = match node.log.stream_forwards(&stream, at, u64::MAX, structured_ids) {
                StreamPage::Missing => true,
                StreamPage::Tombstoned => Err(status::stream_deleted(&stream))?,
                StreamPage::Found { told, next, last, .. } => {
                    for event in told {
                        yield Frame::Event(event);
                    }
                    at = next.unwrap_or(at.max(last + 1));
                    next.is_none()
                }
            };
            if is_end && !is_live {
                is_live = true;
                yield other(Content::CaughtUp(CaughtUp {}));
            }
            waiting.wait(is_end).await?;
        }
    }
}

/// What a subscription that told everything waits for.
struct Waiting {
    length: watch::Receiver<usize>,
    dropped: watch::Receiver<u64>,
}

impl Waiting {
    fn new(node: &Node) -> Self {
        Self { length: node.log.watch(), dropped: node.switches.subscriptions.subscribe() }
    }

    /// Waits for records when there are none left; fails when subscriptions are dropped.
    async fn wait(&mut self, is_end: bool) -> Result<(), Status> {
        if is_end {
            tokio::select! {
                biased;
                _ = self.dropped.changed() => Err(status::going_down()),
                changed = self.length.changed() => changed.map_err(|_| status::going_down()),
            }
        } else if self.dropped.has_changed().unwrap_or(true) {
            Err(status::going_down())
        } else {
            Ok(())
        }
    }
}

fn confirmation() -> Frame {
    static SUBSCRIPTIONS: AtomicU64 = AtomicU64::new(0);
    let number = SUBSCRIPTIONS.fetch_add(1, Ordering::Relaxed);
    let subscription_id = Uuid::from_u64_pair(SUBSCRIPTION_IDS, 0x8000_0000_0000_0000 | number).to_string();
    other(Content::Confirmation(SubscriptionConfirmation { subscription_id }))
}

fn identifier(stream: &str) -> StreamIdentifier {
    StreamIdentifier { stream_name: bytes::Bytes::copy_from_slice(stream.as_bytes()) }
}

fn other(content: Content) -> Frame {
    Frame::Other(Box::new(ReadResp { content: Some(content) }))
}
