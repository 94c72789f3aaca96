//! Whether each event follows the one before it in its stream, in memory that does not grow with the log.

use std::collections::HashMap;

use crate::envelope::{Position, Revision, StreamId};
use crate::log::{EventLog, LogError};

/// Streams remembered in each of two generations, about 50 bytes each.
const STREAMS_MAX: usize = 250_000;

/// The last revision of the streams that were met last. What was forgotten is looked up in the log.
#[derive(Debug)]
pub(super) struct Chain {
    young: HashMap<StreamId, Revision>,
    old: HashMap<StreamId, Revision>,
    streams_max: usize,
    has_forgotten: bool,
}

impl Default for Chain {
    fn default() -> Self {
        Self::remembering(STREAMS_MAX)
    }
}

/// How an event hangs on the one before.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// Whether no event of its stream was looked at before.
    pub(super) is_first: bool,
    /// What is wrong with it.
    pub(super) broken: Option<String>,
}

impl Chain {
    pub(super) fn remembering(streams_max: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), streams_max, has_forgotten: false }
    }

    /// Takes the next event in the order of the log. Only what stands behind `since` is taken.
    pub(super) async fn link(
        &mut self,
        log: &dyn EventLog,
        since: Option<Position>,
        (position, stream, revision): (Position, StreamId, Revision),
    ) -> Result<Link, LogError> {
        let known = self.advance(stream, revision);
        if let Some(last) = known {
            let broken = (last.plus(1) != revision)
                .then(|| format!("revision {revision} comes behind {last}: {} is expected", last.plus(1)));
            return Ok(Link { is_first: false, broken });
        }
        let Some(before) = revision.get().checked_sub(1).map(Revision::new) else {
            return self.begins(log, since, position, stream).await;
        };
        match self.position_of(log, stream, before).await? {
            Ok(found) if found < position => {
                Ok(Link { is_first: since.is_some_and(|since| found <= since), broken: None })
            }
            Ok(found) => {
                let broken = Some(format!("revision {before} comes later, at position {found}"));
                Ok(Link { is_first: false, broken })
            }
            Err(reason) => Ok(Link { is_first: false, broken: Some(reason) }),
        }
    }

    /// A stream begins. Where streams were forgotten, or not looked at, it may have begun before.
    async fn begins(
        &self,
        log: &dyn EventLog,
        since: Option<Position>,
        position: Position,
        stream: StreamId,
    ) -> Result<Link, LogError> {
        if !self.has_forgotten && since.is_none() {
            return Ok(Link { is_first: true, broken: None });
        }
        let broken = match self.position_of(log, stream, Revision::new(0)).await? {
            Ok(found) if found < position => Some(format!("the stream began at position {found} before")),
            Ok(_) => None,
            Err(reason) => Some(reason),
        };
        Ok(Link { is_first: broken.is_none(), broken })
    }

    /// Where an event stands, or why it does not.
    async fn position_of(
        &self,
        log: &dyn EventLog,
        stream: StreamId,
        revision: Revision,
    ) -> Result<Result<Position, String>, LogError> {
        match log.read_stream(stream, revision, 1).await {
            Ok(events) => {
                let found = events.first().filter(|event| event.revision == revision);
                Ok(found.map(|event| event.position).ok_or_else(|| format!("revision {revision} is missing")))
            }
            Err(LogError::Corrupt { place: _, reason }) => Ok(Err(format!("revision {revision}: {reason}"))),
            Err(error @ LogError::Unavailable { .. }) => Err(error),
        }
    }

    /// Remembers the event; answers the revision before it, if that is remembered.
    fn advance(&mut self, stream: StreamId, revision: Revision) -> Option<Revision> {
        let before = self.young.get(&stream).or_else(|| self.old.get(&stream)).copied();
        self.young.insert(stream, revision);
        if self.young.len() >= self.streams_max {
            self.has_forgotten |= !self.old.is_empty();
            self.old = std::mem::take(&mut self.young);
        }
        before
    }
}
