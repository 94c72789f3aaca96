//! The unit of work: the rows that a batch of events touches, in memory, between one load and one write.

mod keys;
mod tables;

pub use keys::Keys;
pub(crate) use tables::{CopiedFields, Fields};
pub use tables::{Pending, TableDef, Wanted};

use eventstore_schema::Position;

use crate::table::{Row, Set};
use tables::{AnyTable, TableRows};

/// Why an event could not be folded. The event's stream is parked: the fold itself is wrong, or what is recorded is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// The row that the event changes is not there.
    #[error("{table} has no row {key}")]
    Missing {
        /// The table.
        table: &'static str,
        /// The row's key.
        key: String,
    },
    /// The row that the event adds is there already.
    #[error("{table} has a row {key} already")]
    Exists {
        /// The table.
        table: &'static str,
        /// The row's key.
        key: String,
    },
    /// The fold touches a key that it did not declare.
    #[error("{table}: key {key} was touched but not declared")]
    Undeclared {
        /// The table.
        table: &'static str,
        /// The key.
        key: String,
    },
    /// The fold touches a table that its projector does not list.
    #[error("{table} is none of the projector's tables")]
    UnknownTable {
        /// The table.
        table: &'static str,
    },
    /// The event lacks something that every event of its kind has.
    #[error("the event has no {what}")]
    Incomplete {
        /// What is missing.
        what: &'static str,
    },
}

/// The rows that a batch touches. Changes of one event are made whole or, when its fold fails, not at all.
pub struct Rows {
    tables: Vec<Box<dyn AnyTable>>,
    position: Position,
}

impl Rows {
    /// An empty unit of work over `tables`.
    pub fn new(tables: &[TableDef]) -> Self {
        Self { tables: tables.iter().map(TableDef::empty).collect(), position: Position::new(0) }
    }

    /// The row, if there is one.
    ///
    /// # Errors
    /// When the key was not declared.
    pub fn get<T: Row>(&mut self, key: &T::Key) -> Result<Option<&T>, FoldError> {
        self.table::<T>()?.get(key)
    }

    /// Adds a row.
    ///
    /// # Errors
    /// When its key was not declared, or it is there already.
    pub fn insert<T: Row>(&mut self, row: T) -> Result<(), FoldError> {
        let position = self.position;
        self.table::<T>()?.insert(row, position)
    }

    /// Adds a row or replaces it.
    ///
    /// # Errors
    /// When its key was not declared.
    pub fn put<T: Row>(&mut self, row: T) -> Result<(), FoldError> {
        let position = self.position;
        self.table::<T>()?.put(row, position)
    }

    /// Changes a row; `change` must leave its key as it is.
    ///
    /// # Errors
    /// When its key was not declared, or there is no such row.
    pub fn update<T: Row>(&mut self, key: &T::Key, change: impl FnOnce(&mut T)) -> Result<(), FoldError> {
        let position = self.position;
        self.table::<T>()?.update(key, change, position)
    }

    /// Removes a row; removing none is fine.
    ///
    /// # Errors
    /// When its key was not declared.
    pub fn delete<T: Row>(&mut self, key: &T::Key) -> Result<(), FoldError> {
        let position = self.position;
        self.table::<T>()?.delete(key, position)
    }

    /// Removes all rows of a set, loaded or not: the one door for changes to rows that are not named one by one (the purge
    /// of a subject). Nothing needs to be declared; rows added later in the same batch stay.
    ///
    /// # Errors
    /// When the table is none of the projector's.
    pub fn sweep<S: Set>(&mut self, set: &S) -> Result<(), FoldError> {
        let position = self.position;
        self.table::<S::Row>()?.sweep(set, position);
        Ok(())
    }

    /// Keys of all rows of a declared set, ascending.
    ///
    /// # Errors
    /// When the table is none of the projector's.
    pub fn keys_of<S: Set>(&mut self, set: &S) -> Result<Vec<<S::Row as Row>::Key>, FoldError> {
        Ok(self.table::<S::Row>()?.keys_of(set))
    }

    /// Begins the fold of the event at `position`: changes from here on can be rolled back.
    pub fn begin(&mut self, position: Position) {
        self.position = position;
        for table in &mut self.tables {
            table.begin();
        }
    }

    /// Takes back what was changed since [`Rows::begin`].
    pub fn roll_back(&mut self) {
        for table in &mut self.tables {
            table.roll_back();
        }
    }

    /// Whether no key was declared.
    pub fn is_empty(&self) -> bool {
        self.tables.iter().all(|table| table.is_empty())
    }

    /// What has to be loaded before folding: keys and sets declared since the last load.
    pub fn wanted(&mut self) -> Vec<Wanted> {
        let indexed = self.tables.iter_mut().enumerate();
        indexed.flat_map(|(index, table)| table.wanted(index)).collect()
    }

    /// Takes in a loaded row of the table that `wanted` came from.
    ///
    /// # Errors
    /// When a field is of another type than its column.
    pub fn loaded<'a>(
        &mut self,
        wanted: &Wanted,
        next: &mut dyn FnMut() -> Option<&'a [u8]>,
    ) -> Result<(), crate::CellError> {
        match self.tables.get_mut(wanted.index) {
            Some(table) => table.loaded(next),
            None => Ok(()),
        }
    }

    /// What has to be written, a table each. The unit of work is empty afterwards.
    pub fn drain(&mut self) -> Vec<Pending> {
        let indexed = self.tables.iter_mut().enumerate();
        indexed.filter_map(|(index, table)| table.drain(index)).collect()
    }

    /// Makes keys declared as fresh be loaded all the same; for finding the event whose claim was wrong.
    pub(crate) fn distrust_fresh(&mut self) {
        for table in &mut self.tables {
            table.distrust_fresh();
        }
    }

    fn table<T: Row>(&mut self) -> Result<&mut TableRows<T>, FoldError> {
        self.tables
            .iter_mut()
            .find_map(|table| table.as_any_mut().downcast_mut::<TableRows<T>>())
            .ok_or(FoldError::UnknownTable { table: T::TABLE.name })
    }
}
