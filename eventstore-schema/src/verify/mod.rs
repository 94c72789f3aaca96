//! Verifies a log from what stands in it, believing nobody: neither the engine's books nor whoever wrote.
//!
//! Every record's hash is computed again, every open part decoded, and every event looked for in the stream that it names.
//! Revisions are contiguous in the order of the log, a command's events stand together in one stream, and the engine compares
//! its own books with what is there ([`EventLog::examine`], [`EventLog::examine_books`]). With [`Options::rules`] each stream
//! is replayed through [`domain::Aggregate::check`], one state in memory at a time, and its snapshot compared with the state
//! that the events make.
//!
//! Memory does not grow with the log: [`chain`] remembers a bounded number of streams and looks the others up.
//!
//! What cannot be found here lies in `ops/docs/threat-model.md`.

mod chain;
mod rules;

use std::fmt;

use domain::{
    Aggregate, CommandId, Digest, Event, account::Account, conversation::Conversation,
    conversation_member::ConversationMember, device::DeviceSet, operations::Operations,
    organization::Organization, session::Session, workspace::Workspace,
};

use crate::catalogue;
use crate::envelope::{Position, RecordedEvent, Revision, StreamId, record_hash};
use crate::log::{EventLog, Head, LogError, NewEvent, ReadFilter};
use chain::Chain;

/// Events looked at together.
const PAGE_EVENTS: usize = 1_024;

/// What kind of thing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// What stands there has not the form of an event.
    Unreadable,
    /// The record hash is not that of its content.
    Hash,
    /// A position is missing, or should not be there.
    Position,
    /// The revisions of a stream have a gap, a double or another order.
    Revision,
    /// The open part cannot be decoded.
    Undecodable,
    /// The event does not belong in its stream, or the books of the stream say something else.
    Stream,
    /// The command is not on record, or did something else according to its record.
    Command,
    /// A snapshot is not the state that the events make.
    Snapshot,
    /// The event breaks a rule of its aggregate.
    Rule,
}

impl Kind {
    /// Every kind.
    pub const ALL: &'static [Kind] = &[
        Kind::Unreadable,
        Kind::Hash,
        Kind::Position,
        Kind::Revision,
        Kind::Undecodable,
        Kind::Stream,
        Kind::Command,
        Kind::Snapshot,
        Kind::Rule,
    ];

    /// The word for machines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Hash => "hash",
            Self::Position => "position",
            Self::Revision => "revision",
            Self::Undecodable => "undecodable",
            Self::Stream => "stream",
            Self::Command => "command",
            Self::Snapshot => "snapshot",
            Self::Rule => "rule",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Something that is not as Envoi writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where in the log, if it has a place there.
    pub position: Option<Position>,
    /// In which stream, if it is known.
    pub stream: Option<StreamId>,
    /// Where in the stream.
    pub revision: Option<Revision>,
    /// What kind of thing is wrong.
    pub kind: Kind,
    /// What is wrong: ids, numbers and codes only.
    pub what: String,
}

impl Finding {
    /// About a recorded event.
    fn about(event: &RecordedEvent, kind: Kind, what: impl Into<String>) -> Self {
        Self {
            position: Some(event.position),
            stream: Some(event.stream),
            revision: Some(event.revision),
            kind,
            what: what.into(),
        }
    }
}

/// What stands at a position, as far as it can be understood.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Where.
    pub position: Position,
    /// Its stream, where that much can be read.
    pub stream: Option<StreamId>,
    /// Its revision, where that much can be read.
    pub revision: Option<Revision>,
    /// The event, or why it is none.
    pub event: Result<RecordedEvent, String>,
}

impl From<RecordedEvent> for Entry {
    fn from(event: RecordedEvent) -> Self {
        Self {
            position: event.position,
            stream: Some(event.stream),
            revision: Some(event.revision),
            event: Ok(event),
        }
    }
}

/// A page of the log as somebody sees it who believes nothing.
#[derive(Clone, Debug, Default)]
pub struct Examined {
    /// What stands there, ascending by position. None: the log ends.
    pub entries: Vec<Entry>,
    /// What contradicts the engine's own books.
    pub findings: Vec<Finding>,
}

/// What is verified.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Only what stands behind this position; streams that go on there are replayed from their start.
    pub since: Option<Position>,
    /// Whether streams are replayed through the rules of their aggregates.
    pub rules: bool,
}

/// What was verified.
#[derive(Clone, Copy, Debug)]
pub struct Verified {
    /// The log, and its end when it began: what came later was not looked at.
    pub head: Head,
    /// Record hash of the event there.
    pub head_hash: Option<Digest>,
    /// How many events were looked at.
    pub events: u64,
    /// How many streams were replayed.
    pub streams: u64,
    /// How many things were found.
    pub findings: u64,
}

/// Where findings go as they are made.
pub type Found<'a> = dyn FnMut(Finding) + Send + 'a;
/// Hears how far it is: the position, and the one at which it ends.
pub type Progress<'a> = dyn Fn(Position, Position) + Sync + 'a;

/// Verifies the log up to where it ends now. Servers may go on writing meanwhile.
///
/// # Errors
/// When the log cannot be reached. Whatever is wrong with what it holds is a finding.
pub async fn verify(
    log: &dyn EventLog,
    options: Options,
    found: &mut Found<'_>,
    progress: &Progress<'_>,
) -> Result<Verified, LogError> {
    let head = log.head().await?;
    let verified = Verified { head, head_hash: None, events: 0, streams: 0, findings: 0 };
    let mut verifier = Verifier { log, options, chain: Chain::default(), last: None, verified, found };
    let Some(until) = head.position else { return Ok(verifier.verified) };
    let mut after = options.since;
    loop {
        let page = log.examine(after, until, PAGE_EVENTS).await?;
        page.findings.into_iter().for_each(|finding| verifier.found(finding));
        let Some(last) = page.entries.last().map(|entry| entry.position) else { break };
        for entry in page.entries {
            verifier.look_at(entry).await?;
        }
        after = Some(last);
        progress(last, until);
    }
    log.examine_books(options.since, &mut |finding| verifier.found(finding)).await?;
    Ok(verifier.verified)
}

/// The stream that the event belongs in by what it says.
fn place_of(event: &Event) -> StreamId {
    fn place<A: Aggregate>(event: &A::Event) -> StreamId {
        StreamId::new(A::CATEGORY, A::id_of(event))
    }
    match event {
        Event::Account(event) => place::<Account>(event),
        Event::Conversation(event) => place::<Conversation>(event),
        Event::ConversationMember(event) => place::<ConversationMember>(event),
        Event::Device(event) => place::<DeviceSet>(event),
        Event::Operations(event) => place::<Operations>(event),
        Event::Organization(event) => place::<Organization>(event),
        Event::Session(event) => place::<Session>(event),
        Event::Workspace(event) => place::<Workspace>(event),
    }
}

struct Verifier<'a> {
    log: &'a dyn EventLog,
    options: Options,
    chain: Chain,
    /// Command and stream of the event before.
    last: Option<(CommandId, StreamId)>,
    verified: Verified,
    found: &'a mut Found<'a>,
}

impl Verifier<'_> {
    fn found(&mut self, finding: Finding) {
        self.verified.findings += 1;
        (self.found)(finding);
    }

    fn find(&mut self, event: &RecordedEvent, kind: Kind, what: impl Into<String>) {
        self.found(Finding::about(event, kind, what));
    }

    async fn look_at(&mut self, entry: Entry) -> Result<(), LogError> {
        self.verified.events += 1;
        let Entry { position, stream, revision, event } = entry;
        let is_first = match stream.zip(revision) {
            Some((stream, revision)) => self.follows(position, stream, revision).await?,
            None => false,
        };
        match event {
            Ok(event) => self.look_at_event(&event),
            Err(what) => {
                self.last = None;
                let position = Some(position);
                self.found(Finding { position, stream, revision, kind: Kind::Unreadable, what });
            }
        }
        match stream {
            Some(stream) if is_first && self.options.rules => self.replay(stream).await,
            Some(_) | None => Ok(()),
        }
    }

    /// Whether the event is the first of its stream that is looked at.
    async fn follows(
        &mut self,
        position: Position,
        stream: StreamId,
        revision: Revision,
    ) -> Result<bool, LogError> {
        let link = self.chain.link(self.log, self.options.since, (position, stream, revision)).await?;
        if let Some(what) = link.broken {
            let (position, stream, revision) = (Some(position), Some(stream), Some(revision));
            self.found(Finding { position, stream, revision, kind: Kind::Revision, what });
        }
        Ok(link.is_first)
    }

    fn look_at_event(&mut self, event: &RecordedEvent) {
        if Some(event.position) == self.verified.head.position {
            self.verified.head_hash = Some(event.hash);
        }
        if let Some((command, stream)) = self.last
            && command == event.command_id
            && stream != event.stream
        {
            self.find(event, Kind::Command, format!("the command {command} has events in {stream}, too"));
        }
        self.last = Some((event.command_id, event.stream));
        let Some(new) = NewEvent::of(event) else {
            self.find(event, Kind::Undecodable, format!("type {} is not in the catalogue", event.event_type));
            return;
        };
        if record_hash(event.stream, event.revision, &new, event.command_id, &event.origin) != event.hash {
            self.find(event, Kind::Hash, "the record hash is not that of what stands there");
        }
        let (is_sealed, has_key) = (event.sealed.is_some(), event.key_ref.is_some());
        let may_be_sealed = catalogue::sealed_record(&event.event_type).is_some();
        if is_sealed != has_key || (is_sealed && !may_be_sealed) {
            self.find(event, Kind::Undecodable, "a sealed part that such an event does not have");
        }
        match catalogue::decode_recorded(event) {
            Ok(decoded) => {
                let belongs = place_of(&decoded);
                if belongs != event.stream {
                    self.find(event, Kind::Stream, format!("the event belongs in {belongs}"));
                }
            }
            Err(error) => self.find(event, Kind::Undecodable, with_sources(&error)),
        }
    }

    async fn replay(&mut self, stream: StreamId) -> Result<(), LogError> {
        self.verified.streams += 1;
        let mut findings = Vec::new();
        rules::replay(self.log, stream, &mut findings).await?;
        findings.into_iter().for_each(|finding| self.found(finding));
        Ok(())
    }
}

fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}

/// What [`EventLog::examine`] does for engines that keep no books of their own and refuse nothing.
pub(crate) async fn examine_by_reading<L: EventLog + ?Sized>(
    log: &L,
    after: Option<Position>,
    until: Position,
    limit: usize,
) -> Result<Examined, LogError> {
    let mut events = log.read_all(after, limit, &ReadFilter::all()).await?;
    events.retain(|event| event.position <= until);
    Ok(Examined { entries: events.into_iter().map(Entry::from).collect(), findings: Vec::new() })
}

#[cfg(test)]
mod tests;
