//! What the log holds.

use std::collections::{BTreeSet, HashMap};

use domain::{CommandId, Digest};

use crate::envelope::{Position, RecordedEvent, Revision, StreamId, record_hash};
use crate::log::{
    AppendError, Appended, Condition, Expected, Head, Incarnation, NewEvent, PageLimits, ReadFilter,
    Snapshot, StreamAppend, StreamsPage,
};
use crate::reading::{self, Gathered};

pub(super) struct State {
    pub(super) incarnation: Incarnation,
    /// In the order of their positions.
    events: Vec<RecordedEvent>,
    /// Indexes into `events`, by revision.
    streams: HashMap<StreamId, Vec<usize>>,
    commands: HashMap<CommandId, (Appended, Digest)>,
    pub(super) snapshots: HashMap<(StreamId, u16), Snapshot>,
}

impl State {
    pub(super) fn new(incarnation: Incarnation) -> Self {
        Self {
            incarnation,
            events: Vec::new(),
            streams: HashMap::new(),
            commands: HashMap::new(),
            snapshots: HashMap::new(),
        }
    }

    pub(super) fn head(&self) -> Head {
        Head { incarnation: self.incarnation, position: self.events.last().map(|event| event.position) }
    }

    pub(super) fn restore(&mut self, events: usize) {
        self.events.truncate(events);
        self.streams.retain(|_, indexes| {
            indexes.retain(|index| *index < events);
            !indexes.is_empty()
        });
        let end = self.head().position;
        self.commands.retain(|_, (appended, _)| Some(appended.position) <= end);
    }

    pub(super) fn find_command(&self, command: CommandId) -> Option<(Appended, Digest)> {
        let (appended, fingerprint) = self.commands.get(&command)?;
        Some((Appended { replayed: true, ..*appended }, *fingerprint))
    }

    pub(super) fn append(&mut self, append: StreamAppend) -> Result<Appended, AppendError> {
        let holds = |condition: &Condition| {
            self.last_of_stream(condition.stream).map(|event| event.revision) == condition.last
        };
        if !append.conditions.iter().all(holds) {
            return Err(AppendError::Outdated { stream: append.stream });
        }
        if let Some((appended, fingerprint)) = self.find_command(append.command.id) {
            let is_same = fingerprint == append.command.fingerprint;
            return if is_same {
                Ok(appended)
            } else {
                Err(AppendError::CommandReused { command_id: append.command.id })
            };
        }
        let StreamAppend { stream, expected, command, .. } = append;
        let actual = self.last_of_stream(stream).map(|event| event.revision);
        if expected != Expected::Any && expected != Expected::after(actual) {
            return Err(AppendError::Conflict { stream, expected, actual });
        }
        let first = actual.map_or(Revision::new(0), |revision| revision.plus(1));
        let mut last = (first, Position::new(0));
        for (event, offset) in append.events.iter().zip(0..) {
            let recorded = self.record(&append, event, first.plus(offset));
            last = (recorded.revision, recorded.position);
            self.streams.entry(stream).or_default().push(self.events.len());
            self.events.push(recorded);
        }
        let (last_revision, position) = last;
        let appended = Appended { stream, first_revision: first, last_revision, position, replayed: false };
        self.commands.insert(command.id, (appended, command.fingerprint));
        Ok(appended)
    }

    /// Names a command that nobody has given: every one so far has recorded something.
    pub(super) fn unused_command(&self) -> CommandId {
        CommandId::from_bytes((self.commands.len() as u128).to_be_bytes())
    }

    fn record(&self, append: &StreamAppend, event: &NewEvent, revision: Revision) -> RecordedEvent {
        let end = self.events.last().map_or(0, |last| last.position.get() + last.payload.len() as u64);
        RecordedEvent {
            position: Position::new(end + 1),
            stream: append.stream,
            revision,
            event_id: event.event_id,
            event_type: event.event_type.to_owned(),
            version: event.version,
            command_id: append.command.id,
            origin: append.origin,
            payload: event.payload.clone(),
            key_ref: event.key_ref,
            sealed: event.sealed.clone(),
            hash: record_hash(append.stream, revision, event, append.command.id, &append.origin),
        }
    }

    pub(super) fn read_stream(&self, stream: StreamId, from: Revision, limit: usize) -> Vec<RecordedEvent> {
        let from = usize::try_from(from.get()).unwrap_or(usize::MAX);
        let indexes = self.streams.get(&stream).map_or(&[][..], Vec::as_slice);
        let events = indexes.iter().skip(from).filter_map(|index| self.events.get(*index));
        reading::page(events, limit).into_iter().cloned().collect()
    }

    pub(super) fn last_of_stream(&self, stream: StreamId) -> Option<RecordedEvent> {
        self.events.get(*self.streams.get(&stream)?.last()?).cloned()
    }

    pub(super) fn read_all(
        &self,
        after: Option<Position>,
        limit: usize,
        filter: &ReadFilter,
    ) -> Vec<RecordedEvent> {
        let start = self.events.partition_point(|event| Some(event.position) <= after);
        let wanted = self
            .events
            .iter()
            .skip(start)
            .filter(|event| filter.passes(event.stream.category, &event.event_type));
        reading::page(wanted, limit).into_iter().cloned().collect()
    }

    pub(super) fn read_streams(
        &self,
        streams: &[StreamId],
        after: Option<Position>,
        until: Position,
        limits: PageLimits,
    ) -> StreamsPage {
        let mut gathered = Gathered::new(limits);
        for indexes in
            streams.iter().collect::<BTreeSet<_>>().into_iter().filter_map(|stream| self.streams.get(stream))
        {
            let events = indexes.iter().filter_map(|index| self.events.get(*index));
            let behind = events.skip_while(|event| Some(event.position) <= after);
            for event in behind.take_while(|event| event.position <= until) {
                if !gathered.take(event.clone()) {
                    break;
                }
            }
        }
        gathered.page(until)
    }

    pub(super) fn store_snapshot(&mut self, snapshot: Snapshot) {
        let Snapshot { stream, state_version, .. } = snapshot;
        self.snapshots.retain(|(of, version), _| *of != stream || version.saturating_add(1) >= state_version);
        self.snapshots.insert((stream, state_version), snapshot);
    }
}
