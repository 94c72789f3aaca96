//! Appending one after the other, as [`EventLog::append_in_order`] says.

use std::collections::HashSet;

use crate::envelope::StreamId;
use crate::log::{AppendError, Appended, EventLog, StreamAppend};

/// The streams of one call of [`EventLog::append_in_order`] on which nothing more can build.
#[derive(Debug, Default)]
pub(crate) struct Unfounded {
    streams: HashSet<StreamId>,
    is_lost: bool,
}

impl Unfounded {
    /// Whether an append to the stream may still be tried.
    ///
    /// # Errors
    /// [`AppendError::Unfounded`] when one before it failed; [`AppendError::Unavailable`] when the engine could not be reached
    /// for one to another stream: it would come before that one when that is repeated, and be tried in vain for as long again.
    pub(crate) fn admit(&self, stream: StreamId) -> Result<(), AppendError> {
        if self.builds_on(stream) {
            Err(AppendError::Unfounded { stream })
        } else if self.is_lost {
            let reason = "an append before it was not answered".to_owned();
            Err(AppendError::Unavailable { stream, reason })
        } else {
            Ok(())
        }
    }

    /// Whether an append to the stream would build on one that failed.
    pub(crate) fn builds_on(&self, stream: StreamId) -> bool {
        self.streams.contains(&stream)
    }

    /// Notes what became of an append.
    pub(crate) fn note(&mut self, append: &StreamAppend, result: &Result<Appended, AppendError>) {
        if !result.as_ref().is_ok_and(|appended| append.stands(appended)) {
            self.refuse(append.stream);
        }
        self.is_lost |=
            matches!(result, Err(AppendError::Unavailable { .. } | AppendError::Overloaded { .. }));
    }

    /// From now on nothing builds on the stream.
    pub(crate) fn refuse(&mut self, stream: StreamId) {
        self.streams.insert(stream);
    }
}

/// Appends one after the other, as [`EventLog::append_in_order`] says.
pub(crate) async fn one_by_one<L: EventLog + ?Sized>(
    log: &L,
    appends: Vec<StreamAppend>,
) -> Vec<Result<Appended, AppendError>> {
    let mut unfounded = Unfounded::default();
    let mut results = Vec::with_capacity(appends.len());
    for append in appends {
        let result = match unfounded.admit(append.stream) {
            Ok(()) => log.append(append.clone()).await,
            Err(error) => Err(error),
        };
        unfounded.note(&append, &result);
        results.push(result);
    }
    results
}
