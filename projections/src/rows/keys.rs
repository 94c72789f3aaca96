//! What an event will touch, named before it is folded.

use super::{FoldError, Rows};
use crate::table::{Row, Set};

/// Collects the keys and sets that events touch, so that a batch's rows are loaded together.
pub struct Keys<'a> {
    rows: &'a mut Rows,
    failure: Option<FoldError>,
}

impl<'a> Keys<'a> {
    /// Collects into `rows`.
    pub fn new(rows: &'a mut Rows) -> Self {
        Self { rows, failure: None }
    }

    /// The row with this key, if there is one, will be read or changed.
    pub fn load<T: Row>(&mut self, key: T::Key) {
        match self.rows.table::<T>() {
            Ok(table) => table.declare(key),
            Err(error) => self.failure = Some(error),
        }
    }

    /// A row with this key will be added, and none was there before: nothing needs to be loaded. To be declared only
    /// where the stream itself proves it (a new id, the next number).
    pub fn fresh<T: Row>(&mut self, key: T::Key) {
        match self.rows.table::<T>() {
            Ok(table) => table.declare_fresh(key),
            Err(error) => self.failure = Some(error),
        }
    }

    /// All rows of the set will be read or changed.
    pub fn set<S: Set>(&mut self, set: S) {
        match self.rows.table::<S::Row>() {
            Ok(table) => table.declare_set(set),
            Err(error) => self.failure = Some(error),
        }
    }

    /// Ends the collection.
    ///
    /// # Errors
    /// When a table is none of the projector's.
    pub fn finish(self) -> Result<(), FoldError> {
        self.failure.map_or(Ok(()), Err)
    }
}
