//! From where on somebody asks what changed, and the pages of the answer, which share what they began with.

use domain::AccountId;
use eventstore_schema::{Incarnation, Position, ReadFilter};
use projections::QueryError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::cursor::{Place, Purpose};
use crate::endpoint::Endpoint;
use crate::limits::SYNC_SINCE_SECONDS_MAX;
use crate::problem::{Code, Problem};
use crate::state::State;

/// A run through the pages of an answer, as the cursor between two of them holds it. `K` is what its rows are ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run<K> {
    log: Uuid,
    since: Option<u64>,
    /// Whether everything is answered although changes were asked for.
    pub reset: bool,
    position: Option<u64>,
    /// What the page comes behind; none for the first.
    pub after: Option<K>,
}

impl<K: Serialize + DeserializeOwned> Run<K> {
    /// Begins a run behind `since`, a place in the log, or goes on with one at `cursor`. A place in another log, or behind which
    /// something happened so long ago that what was taken away is not known any more, answers everything.
    ///
    /// # Errors
    /// [`Code::InvalidCursor`] for a text that this account was not given for this; when the log cannot be reached.
    pub async fn read<E: Endpoint>(
        state: &State,
        account: AccountId,
        since: Option<&str>,
        cursor: Option<&str>,
    ) -> Result<Self, Problem> {
        let log = state.incarnation.0;
        if let Some(text) = cursor {
            let plain = state.cursors.open(Purpose::Page(E::ABOUT.name), account, text)?;
            let run: Self = serde_json::from_slice(&plain).map_err(|_| Code::InvalidCursor)?;
            return if run.log == log { Ok(run) } else { Err(Code::InvalidCursor.into()) };
        }
        let everything = Self { log, since: None, reset: false, position: None, after: None };
        let Some(text) = since else { return Ok(everything) };
        let place = state.cursors.open_place(account, text)?;
        match tells_of(state, place).await? {
            true => Ok(Self { since: Some(place.position.get()), ..everything }),
            false => Ok(Self { reset: true, ..everything }),
        }
    }

    /// Behind which position changes are told; none for everything.
    pub fn since(&self) -> Option<Position> {
        self.since.map(Position::new)
    }

    /// The same run from the beginning, with everything.
    pub fn anew(self) -> Self {
        Self { since: None, reset: true, after: None, ..self }
    }

    /// The place up to which the run tells of everything, for whoever asks: what its first page showed.
    ///
    /// # Errors
    /// When this page shows less than the first did, as read models of another release or after a crash may: what moved to this page
    /// since would be told never. When it cannot be sealed.
    pub fn place(&mut self, state: &State, account: AccountId, shown: Position) -> Result<String, Problem> {
        let position = Position::new(*self.position.get_or_insert(shown.get()));
        if shown < position {
            return Err(QueryError::Behind.into());
        }
        state.cursors.seal_place(account, Place { incarnation: Incarnation(self.log), position })
    }

    /// Where the next page begins.
    ///
    /// # Errors
    /// When it cannot be sealed.
    pub fn next<E: Endpoint>(self, state: &State, account: AccountId, after: K) -> Result<String, Problem> {
        let next = Self { after: Some(after), ..self };
        let plain = serde_json::to_vec(&next).map_err(Problem::internal)?;
        state.cursors.seal(Purpose::Page(E::ABOUT.name), account, &plain)
    }
}

/// Whether it is known what changed behind a place: it is in this log, and what came next is not too long ago.
async fn tells_of(state: &State, place: Place) -> Result<bool, Problem> {
    if place.incarnation != state.incarnation {
        return Ok(false);
    }
    let log = state.services.executor.log();
    match log.read_all(Some(place.position), 1, &ReadFilter::all()).await?.first() {
        Some(next) => {
            let until = next.origin.recorded_at.plus_seconds(SYNC_SINCE_SECONDS_MAX);
            Ok(state.clock.now() <= until)
        }
        // A log that ends before its own cursors lost events.
        None => Ok(Some(place.position) <= log.head().await?.position || place.position == Position::new(0)),
    }
}
