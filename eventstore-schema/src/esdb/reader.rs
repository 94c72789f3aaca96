//! Reading: pages of a stream, pages of everything, the end of the log and which log it is.

use std::sync::atomic::Ordering;
use std::time::Duration;

use eventstore::{
    AppendToStreamOptions, Client, EventData, ExpectedRevision, ReadAllOptions, ReadStream,
    ReadStreamOptions, StreamPosition,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Shared;
use super::connection::Failure;
use super::metadata::{self, Foreign, Stored};
use super::recent::Tail;
use crate::envelope::{Position, RecordedEvent, Revision, StreamId};
use crate::log::{Head, Incarnation, LogError, PAGE_BYTES, ReadFilter};
use crate::reading;
use crate::verify::{Entry, Examined, Finding, Kind};

/// Most events in one page, whatever the caller asks for.
const PAGE_EVENTS_MAX: usize = 8_192;
/// Events in a page of a stream's tail.
const TAIL_PAGE_EVENTS: usize = 1_024;
/// Events in the first page from the end of the log backwards, and how much larger each further one is: usually the last
/// event is ours, after a quiet night there are thousands of the server's own.
const HEAD_PAGE_EVENTS: usize = 16;
const HEAD_PAGE_GROWTH: usize = 8;
/// How long one read may take.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a read is tried again when its connection is lost.
const READ_PATIENCE: Duration = Duration::from_secs(3);

/// Type of the one event of the stream that says which log this is.
const IDENTITY_TYPE: &str = "log.created";

#[derive(Serialize, Deserialize)]
struct Identity {
    incarnation: Uuid,
}

pub(super) fn at(position: u64) -> eventstore::Position {
    eventstore::Position { commit: position, prepare: position }
}

fn unavailable(attempt: &'static str, failure: Failure) -> LogError {
    LogError::Unavailable { attempt, reason: failure.reason() }
}

impl Foreign {
    fn corrupt(self) -> LogError {
        LogError::Corrupt { place: self.place, reason: self.reason }
    }
}

/// What the server sent, up to the event with which a page has its bytes: what is behind that is not waited for.
#[derive(Default)]
struct Answer {
    events: Vec<eventstore::RecordedEvent>,
    is_cut: bool,
}

impl Answer {
    /// Whether the server had no more than this of the `limit` events that it was asked for.
    fn is_end(&self, limit: usize) -> bool {
        !self.is_cut && self.events.len() < limit
    }
}

async fn collect(mut stream: ReadStream) -> eventstore::Result<Answer> {
    let mut answer = Answer::default();
    let mut bytes = 0;
    while let Some(resolved) = stream.next().await? {
        bytes += resolved.event.as_ref().map_or(0, |event| event.data.len());
        answer.events.extend(resolved.event);
        answer.is_cut = bytes >= PAGE_BYTES;
        if answer.is_cut {
            break;
        }
    }
    Ok(answer)
}

/// One question to the server.
#[derive(Clone)]
enum Question {
    Stream(String, ReadStreamOptions),
    All(ReadAllOptions),
}

impl Question {
    async fn ask(self, client: Client) -> eventstore::Result<Answer> {
        match self {
            Self::Stream(name, options) => collect(client.read_stream(name, &options).await?).await,
            Self::All(options) => collect(client.read_all(&options).await?).await,
        }
    }
}

async fn read(shared: &Shared, attempt: &'static str, question: Question) -> Result<Answer, LogError> {
    let ask = |client| question.clone().ask(client);
    match shared.connection.patiently(READ_TIMEOUT, READ_PATIENCE, ask).await {
        Err(Failure::NotFound) => Ok(Answer::default()),
        result => result.map_err(|failure| unavailable(attempt, failure)),
    }
}

/// Events of a stream from `revision` on, or from its end backwards, as many as there are up to `limit`; and whether those are all.
async fn page(
    shared: &Shared,
    stream: StreamId,
    from: StreamPosition<u64>,
    limit: usize,
) -> Result<(Vec<Stored>, bool), LogError> {
    let name = shared.names.name(stream);
    let options = ReadStreamOptions::default().max_count(limit).requires_leader(true).deadline(READ_TIMEOUT);
    let options = options.position(from);
    let answer = read(shared, "reading a stream", Question::Stream(name, options)).await?;
    let is_end = answer.is_end(limit);
    let decode = |event| metadata::decode(&shared.names, event);
    let events = answer.events.into_iter().filter_map(decode).map(|read| read.map_err(Foreign::corrupt));
    Ok((events.collect::<Result<_, _>>()?, is_end))
}

/// The stream from a revision on, without gap.
async fn forwards(
    shared: &Shared,
    stream: StreamId,
    from: Revision,
    limit: usize,
) -> Result<(Vec<Stored>, bool), LogError> {
    let (events, is_end) = page(shared, stream, StreamPosition::Position(from.get()), limit).await?;
    for (stored, wanted) in events.iter().zip(from.get()..) {
        if stored.event.revision.get() != wanted {
            let place = format!("{stream} revision {wanted}");
            let reason = "the event is missing: the stream was truncated or deleted".to_owned();
            return Err(LogError::Corrupt { place, reason });
        }
    }
    Ok((events, is_end))
}

pub(super) async fn read_stream(
    shared: &Shared,
    stream: StreamId,
    from: Revision,
    limit: usize,
) -> Result<Vec<RecordedEvent>, LogError> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    let (events, _) = forwards(shared, stream, from, limit.min(PAGE_EVENTS_MAX)).await?;
    Ok(events.into_iter().map(|stored| stored.event).collect())
}

pub(super) async fn last_of_stream(
    shared: &Shared,
    stream: StreamId,
) -> Result<Option<RecordedEvent>, LogError> {
    let (events, _) = page(shared, stream, StreamPosition::End, 1).await?;
    Ok(events.into_iter().next().map(|stored| stored.event))
}

/// Brings a stream's tail up to date: what is new, or the whole window when nothing is known yet.
pub(super) async fn update(shared: &Shared, stream: StreamId, tail: &mut Tail) -> Result<(), LogError> {
    if !tail.is_known() {
        let window = window(shared, stream).await?;
        tail.follow(&window);
    }
    loop {
        let from = tail.last().map_or(Revision::new(0), |last| last.plus(1));
        let (events, is_end) = forwards(shared, stream, from, TAIL_PAGE_EVENTS).await?;
        tail.follow(&events);
        if is_end {
            return Ok(());
        }
    }
}

/// The end of a stream as far back as commands are recognised, in order.
async fn window(shared: &Shared, stream: StreamId) -> Result<Vec<Stored>, LogError> {
    let mut window = std::collections::VecDeque::new();
    let mut commands = 0;
    let mut from = StreamPosition::End;
    loop {
        let (events, is_end) = page(shared, stream, from, TAIL_PAGE_EVENTS).await?;
        for stored in events {
            commands += usize::from(stored.fingerprint.is_some());
            window.push_front(stored);
        }
        let (Some(first), Some(last)) = (window.front(), window.back()) else { break };
        let (oldest, newest) = (first.event.origin.recorded_at, last.event.origin.recorded_at);
        let Some(before) = first.event.revision.get().checked_sub(1) else { break };
        if is_end || Tail::is_enough(commands, oldest, newest) {
            break;
        }
        from = StreamPosition::Position(before);
    }
    Ok(window.into())
}

/// One page of everything, our own events only.
struct AllPage {
    events: Vec<RecordedEvent>,
    /// How far the server's page goes.
    scanned_to: u64,
    is_end: bool,
}

async fn all_page(
    shared: &Shared,
    from: StreamPosition<eventstore::Position>,
    limit: usize,
    backwards: bool,
) -> Result<AllPage, LogError> {
    let options = ReadAllOptions::default().max_count(limit).requires_leader(true).deadline(READ_TIMEOUT);
    let options = options.position(from);
    let options = if backwards { options.backwards() } else { options.forwards() };
    let answer = read(shared, "reading the log", Question::All(options)).await?;
    let is_end = answer.is_end(limit);
    let scanned_to = answer.events.last().map_or(0, |event| event.position.commit);
    let events = answer.events.into_iter().filter_map(|event| shared.ours(event)).collect();
    Ok(AllPage { events, scanned_to, is_end })
}

pub(super) async fn read_all(
    shared: &Shared,
    after: Option<Position>,
    limit: usize,
    filter: &ReadFilter,
) -> Result<Vec<RecordedEvent>, LogError> {
    let limit = limit.min(PAGE_EVENTS_MAX);
    let mut found = Vec::new();
    let mut after = after.map(Position::get);
    while found.len() < limit {
        let from = StreamPosition::Position(at(shared.from(after)));
        // The server begins with the event at the position, which was read before or says which log this is.
        let more = if *filter == ReadFilter::all() { limit - found.len() } else { PAGE_EVENTS_MAX };
        let page = all_page(shared, from, more + 1, false).await?;
        let is_new = |event: &RecordedEvent| after.is_none_or(|after| event.position.get() > after);
        let passes = |event: &RecordedEvent| filter.passes(event.stream.category, event.event_type.as_str());
        found.extend(page.events.into_iter().filter(|event| is_new(event) && passes(event)));
        if page.is_end || reading::may_go_on(&found, limit) {
            break;
        }
        after = Some(page.scanned_to);
    }
    Ok(reading::page(found, limit))
}

/// What stands behind a position in our streams, ours or not.
pub(super) async fn examine(
    shared: &Shared,
    after: Option<Position>,
    until: Position,
    limit: usize,
) -> Result<Examined, LogError> {
    let limit = limit.min(PAGE_EVENTS_MAX);
    let mut after = after.map(Position::get);
    loop {
        let from = StreamPosition::Position(at(shared.from(after)));
        let options =
            ReadAllOptions::default().max_count(limit + 1).requires_leader(true).deadline(READ_TIMEOUT);
        let answer =
            read(shared, "examining the log", Question::All(options.position(from).forwards())).await?;
        let is_end = answer.is_end(limit + 1);
        let scanned_to = answer.events.last().map_or(until.get(), |event| event.position.commit);
        let is_asked_for = |event: &eventstore::RecordedEvent| {
            let position = event.position.commit;
            after.is_none_or(|after| position > after) && position <= until.get()
        };
        let mut examined = Examined::default();
        for event in answer.events.into_iter().filter(is_asked_for) {
            examine_event(shared, event, &mut examined);
        }
        if !examined.entries.is_empty() || is_end || scanned_to >= until.get() {
            return Ok(examined);
        }
        after = Some(scanned_to);
    }
}

/// The fingerprint, which stands with a command's first event, is all that the engine keeps beside the events.
fn examine_event(shared: &Shared, event: eventstore::RecordedEvent, examined: &mut Examined) {
    let (position, revision) = (Position::new(event.position.commit), Revision::new(event.revision));
    let stream = shared.names.parse(&event.stream_id);
    let before = examined.entries.last().map(|entry| entry.event.as_ref().ok());
    let entry = match metadata::decode(&shared.names, event) {
        None => return,
        Some(Err(foreign)) => {
            Entry { position, stream, revision: Some(revision), event: Err(foreign.reason) }
        }
        Some(Ok(Stored { event, fingerprint })) => {
            let goes_on = |before: &RecordedEvent| {
                before.command_id == event.command_id && before.stream == event.stream
            };
            // What stands before the first of a page is not known here.
            if let Some(before) = before
                && before.is_some_and(goes_on) != fingerprint.is_none()
            {
                let what = format!("the command {} does not begin with its fingerprint", event.command_id);
                let (position, revision) = (Some(position), Some(revision));
                examined.findings.push(Finding { position, stream, revision, kind: Kind::Command, what });
            }
            event.into()
        }
    };
    examined.entries.push(entry);
}

/// The event at a position, if it is one of ours.
pub(super) async fn event_at(shared: &Shared, position: Position) -> Result<Option<RecordedEvent>, LogError> {
    let from = StreamPosition::Position(at(position.get()));
    let page = all_page(shared, from, 1, false).await?;
    Ok(page.events.into_iter().find(|event| event.position == position))
}

pub(super) async fn head(shared: &Shared) -> Result<Head, LogError> {
    let incarnation = incarnation(shared).await?;
    let position = last_position(shared).await?;
    Ok(Head { incarnation, position })
}

/// Position of our last event: from the end backwards, as far as what is known already.
async fn last_position(shared: &Shared) -> Result<Option<Position>, LogError> {
    let known = shared.known.load(Ordering::Relaxed);
    let mut from = StreamPosition::End;
    let mut limit = HEAD_PAGE_EVENTS;
    loop {
        let page = all_page(shared, from, limit, true).await?;
        if let Some(last) = page.events.first() {
            shared.know(last.position);
            return Ok(Some(last.position));
        }
        if page.is_end || page.scanned_to <= shared.from(None) {
            return Ok(None);
        }
        // Everything between the end and what is known was looked at, and none of it is ours.
        if page.scanned_to < known {
            return Ok(Some(Position::new(known)));
        }
        from = StreamPosition::Position(at(page.scanned_to));
        limit = limit.saturating_mul(HEAD_PAGE_GROWTH).min(PAGE_EVENTS_MAX);
    }
}

/// Which log this is: the last event of its identity stream, made when there is none.
pub(super) async fn incarnation(shared: &Shared) -> Result<Incarnation, LogError> {
    if let Some(found) = find_incarnation(shared).await? {
        return Ok(found);
    }
    #[allow(clippy::disallowed_methods, reason = "the one place where a log gets its name")]
    let made = Incarnation(Uuid::new_v4());
    name(shared, ExpectedRevision::NoStream, made).await?;
    let missing =
        || LogError::Corrupt { place: shared.names.identity(), reason: "it has no event".to_owned() };
    find_incarnation(shared).await?.ok_or_else(missing)
}

/// Names the log, unless its identity stream is elsewhere.
pub(super) async fn name(
    shared: &Shared,
    expected: ExpectedRevision,
    incarnation: Incarnation,
) -> Result<(), LogError> {
    let attempt = "naming a log";
    let event = EventData::json(IDENTITY_TYPE, &Identity { incarnation: incarnation.0 })
        .map_err(|error| LogError::Unavailable { attempt, reason: error.to_string() })?;
    let event = event.id(incarnation.0);
    let options = AppendToStreamOptions::default()
        .expected_revision(expected)
        .requires_leader(true)
        .deadline(READ_TIMEOUT);
    let stream = shared.names.identity();
    let write = |client: Client| {
        let (stream, options, event) = (stream.clone(), options.clone(), event.clone());
        async move { client.append_to_stream(stream, &options, event).await }
    };
    match shared.connection.patiently(READ_TIMEOUT, READ_PATIENCE, write).await {
        Ok(_) | Err(Failure::Conflict) => Ok(()),
        Err(failure) => Err(unavailable(attempt, failure)),
    }
}

async fn find_incarnation(shared: &Shared) -> Result<Option<Incarnation>, LogError> {
    let name = shared.names.identity();
    let options = ReadStreamOptions::default()
        .max_count(1)
        .position(StreamPosition::End)
        .backwards()
        .requires_leader(true)
        .deadline(READ_TIMEOUT);
    let question = Question::Stream(name.clone(), options);
    let answer = read(shared, "reading which log this is", question).await?;
    let Some(event) = answer.events.into_iter().next() else { return Ok(None) };
    let corrupt = |reason| LogError::Corrupt { place: name.clone(), reason };
    if event.event_type != IDENTITY_TYPE {
        return Err(corrupt(format!("its last event is a {}", event.event_type)));
    }
    let identity: Identity =
        serde_json::from_slice(&event.data).map_err(|error| corrupt(error.to_string()))?;
    Ok(Some(Incarnation(identity.incarnation)))
}
