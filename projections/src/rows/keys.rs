//! What an event will touch, named before it is folded.

use super::Rows;
use crate::table::{Row, Set};

/// Collects the keys and sets that events touch, so that a batch's rows are loaded together. A table that the projector does
/// not list is left to [`Rows`], which refuses it.
pub struct Keys<'a> {
    rows: &'a mut Rows,
}

impl<'a> Keys<'a> {
    /// Collects into `rows`.
    pub fn new(rows: &'a mut Rows) -> Self {
        Self { rows }
    }

    /// The row with this key, if there is one, will be read or changed.
    pub fn load<T: Row>(&mut self, key: T::Key) {
        if let Ok(table) = self.rows.table::<T>() {
            table.declare(key);
        }
    }

    /// A row with this key will be added, and none was there before: nothing needs to be loaded. To be declared only
    /// where the stream itself proves it (a new id, the next number).
    pub fn fresh<T: Row>(&mut self, key: T::Key) {
        if let Ok(table) = self.rows.table::<T>() {
            table.declare_fresh(key);
        }
    }

    /// All rows of the set will be read or changed.
    pub fn set<S: Set>(&mut self, set: S) {
        if let Ok(table) = self.rows.table::<S::Row>() {
            table.declare_set(set);
        }
    }
}
