//! Replays a stream through the rules of its aggregate.

use domain::account::Account;
use domain::conversation::Conversation;
use domain::conversation_member::ConversationMember;
use domain::device::DeviceSet;
use domain::operations::Operations;
use domain::organization::Organization;
use domain::session::Session;
use domain::workspace::Workspace;
use domain::{Aggregate, Category};

use super::{Finding, Kind, with_sources};
use crate::envelope::{RecordedEvent, Revision, StreamId};
use crate::log::{EventLog, LogError, Snapshot, may_go_on};
use crate::{catalogue, codec};

/// Events read together.
const PAGE_EVENTS: usize = 512;

/// Replays the stream whole; of what it breaks, the first is found: what follows would be judged by a state that is wrong.
pub(super) async fn replay(
    log: &dyn EventLog,
    stream: StreamId,
    findings: &mut Vec<Finding>,
) -> Result<(), LogError> {
    match stream.category {
        Category::Account => run::<Account>(log, stream, findings).await,
        Category::Conversation => run::<Conversation>(log, stream, findings).await,
        Category::ConversationMember => run::<ConversationMember>(log, stream, findings).await,
        Category::Device => run::<DeviceSet>(log, stream, findings).await,
        Category::Operations => run::<Operations>(log, stream, findings).await,
        Category::Organization => run::<Organization>(log, stream, findings).await,
        Category::Session => run::<Session>(log, stream, findings).await,
        Category::Workspace => run::<Workspace>(log, stream, findings).await,
    }
}

async fn run<A: Aggregate>(
    log: &dyn EventLog,
    stream: StreamId,
    findings: &mut Vec<Finding>,
) -> Result<(), LogError> {
    let mut snapshot = log.load_snapshot(stream, A::STATE_VERSION).await?;
    let mut state = A::default();
    let mut next = Revision::new(0);
    let mut limit = PAGE_EVENTS;
    loop {
        let page = match log.read_stream(stream, next, limit).await {
            Ok(page) => page,
            // One of the page cannot be read: up to that one the rules can be judged.
            Err(LogError::Corrupt { .. }) if limit > 1 => {
                limit = 1;
                continue;
            }
            Err(LogError::Corrupt { place: _, reason }) => {
                findings.push(unjudged(stream, next, &reason));
                return Ok(());
            }
            Err(error @ LogError::Unavailable { .. }) => return Err(error),
        };
        for recorded in &page {
            if let Err(finding) = step(&mut state, recorded, next) {
                findings.push(finding);
                return Ok(());
            }
            if let Some(taken) = snapshot.take_if(|snapshot| snapshot.revision == next) {
                findings.extend(differs(&state, &taken, recorded));
            }
            next = next.plus(1);
        }
        if !may_go_on(&page, limit) {
            break;
        }
    }
    findings.extend(snapshot.map(|beyond| Finding {
        position: None,
        stream: Some(stream),
        revision: Some(beyond.revision),
        kind: Kind::Snapshot,
        what: "a snapshot of more than the stream holds".to_owned(),
    }));
    Ok(())
}

fn unjudged(stream: StreamId, revision: Revision, reason: &str) -> Finding {
    let what = format!("from here on the rules cannot be judged: {reason}");
    Finding { position: None, stream: Some(stream), revision: Some(revision), kind: Kind::Rule, what }
}

/// Judges an event, then lets it happen.
fn step<A: Aggregate>(state: &mut A, recorded: &RecordedEvent, expected: Revision) -> Result<(), Finding> {
    let stops = |reason: &str| unjudged(recorded.stream, expected, reason);
    if recorded.revision != expected {
        return Err(stops("the event is missing"));
    }
    let event = catalogue::decode_recorded(recorded).map_err(|error| stops(&with_sources(&error)))?;
    let event = A::Event::try_from(event).map_err(|_| stops("the event is of another kind of stream"))?;
    state.check(&event).map_err(|violation| {
        Finding::about(recorded, Kind::Rule, format!("{} breaks {violation}", recorded.event_type))
    })?;
    state.evolve(&event, recorded.origin.recorded_at);
    Ok(())
}

/// A snapshot decides in place of the events that it was made of, unless it is of another history.
fn differs<A: Aggregate>(state: &A, taken: &Snapshot, recorded: &RecordedEvent) -> Option<Finding> {
    let is_same = codec::encode(state).is_ok_and(|encoded| encoded == taken.state);
    let what = match (taken.record_hash == recorded.hash, is_same) {
        (true, true) => return None,
        (true, false) => "the snapshot is not the state that the events make",
        (false, _) => "the snapshot is of another history; servers pass it over",
    };
    Some(Finding::about(recorded, Kind::Snapshot, what))
}
