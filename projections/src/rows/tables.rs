//! One table's part of the unit of work.

use std::any::Any;
use std::collections::HashMap;
use std::collections::hash_map::Entry as MapEntry;

use bytes::{BufMut, BytesMut};
use eventstore_schema::Position;

use super::FoldError;
use crate::cell::CellError;
use crate::table::{Column, Row, Set, Table};

/// A table of a projector: its definition, and how to make an empty unit of work for it.
#[derive(Clone, Copy)]
pub struct TableDef {
    table: &'static Table,
    empty: fn() -> Box<dyn AnyTable>,
}

impl TableDef {
    /// The table of rows `T`.
    pub const fn of<T: Row>() -> Self {
        Self { table: T::TABLE, empty: TableRows::<T>::boxed }
    }

    /// Its definition.
    pub const fn table(&self) -> &'static Table {
        self.table
    }

    pub(super) fn empty(&self) -> Box<dyn AnyTable> {
        (self.empty)()
    }
}

impl std::fmt::Debug for TableDef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.table.name)
    }
}

/// Rows to load: those of `table` that agree with one of the listed tuples in `columns`.
#[derive(Debug)]
pub struct Wanted {
    pub(super) index: usize,
    /// The table.
    pub table: &'static Table,
    /// The columns.
    pub columns: &'static [Column],
    /// How many tuples there are.
    pub count: usize,
    /// The tuples' fields, one after another.
    pub fields: BytesMut,
}

/// Changes of one table to write.
#[derive(Debug)]
pub struct Pending {
    /// The table.
    pub table: &'static Table,
    /// Sets whose stored rows are to be deleted before anything else is written.
    pub sweeps: Vec<Wanted>,
    /// How many rows are new.
    pub inserts: usize,
    /// The new rows with `position`, ascending by key, as binary `COPY` wants them: each begins with its width.
    pub inserted: BytesMut,
    /// How many stored rows changed.
    pub updates: usize,
    /// Fields of the changed rows with `position`, ascending by key.
    pub updated: BytesMut,
    /// How many stored rows are gone.
    pub deletes: usize,
    /// Key fields of the rows that are gone, ascending.
    pub deleted: BytesMut,
}

#[derive(Clone)]
struct Entry<T> {
    row: Option<T>,
    position: Position,
    /// Whether the table has a row of this key.
    stored: bool,
    changed: bool,
}

impl Pending {
    /// Whether stored rows have to be sought for writing.
    pub(crate) fn seeks(&self) -> bool {
        self.updates > 0 || self.deletes > 0 || !self.sweeps.is_empty()
    }
}

/// What a table's part of the unit of work can do whatever its rows are.
pub(super) trait AnyTable: Send + Sync {
    fn as_any_mut(&mut self) -> &mut dyn Any;
    fn begin(&mut self);
    fn roll_back(&mut self);
    fn is_empty(&self) -> bool;
    fn distrust_fresh(&mut self);
    fn wanted(&mut self, index: usize) -> Vec<Wanted>;
    fn loaded<'a>(&mut self, next: &mut dyn FnMut() -> Option<&'a [u8]>) -> Result<(), CellError>;
    fn drain(&mut self, index: usize) -> Option<Pending>;
}

/// Columns, number of tuples and their fields, of one kind of set.
type WantedSets = (&'static [Column], usize, BytesMut);

/// What to restore: the key, and what was there before the event.
type Undo<T> = (<T as Row>::Key, Entry<T>);

pub(super) struct TableRows<T: Row> {
    entries: HashMap<T::Key, Entry<T>>,
    wanted_keys: Vec<T::Key>,
    wanted_sets: Vec<WantedSets>,
    sweeps: Vec<WantedSets>,
    journal: Vec<Undo<T>>,
    /// How many sweeps there were when the event began.
    sweeps_before: usize,
    trust_fresh: bool,
}

impl<T: Row> TableRows<T> {
    fn boxed() -> Box<dyn AnyTable> {
        Box::new(Self {
            entries: HashMap::new(),
            wanted_keys: Vec::new(),
            wanted_sets: Vec::new(),
            sweeps: Vec::new(),
            sweeps_before: 0,
            journal: Vec::new(),
            trust_fresh: true,
        })
    }

    pub(super) fn declare(&mut self, key: T::Key) {
        if let MapEntry::Vacant(vacant) = self.entries.entry(key) {
            self.wanted_keys.push(vacant.key().clone());
            vacant.insert(Entry { row: None, position: Position::new(0), stored: false, changed: false });
        }
    }

    pub(super) fn declare_fresh(&mut self, key: T::Key) {
        if !self.trust_fresh {
            return self.declare(key);
        }
        self.entries.entry(key).or_insert(Entry {
            row: None,
            position: Position::new(0),
            stored: false,
            changed: false,
        });
    }

    pub(super) fn declare_set<S: Set<Row = T>>(&mut self, set: S) {
        let same = |wanted: &&mut WantedSets| std::ptr::eq(wanted.0, S::COLUMNS);
        if let Some((_, count, fields)) = self.wanted_sets.iter_mut().find(same) {
            *count += 1;
            set.put(fields);
        } else {
            let mut fields = BytesMut::new();
            set.put(&mut fields);
            self.wanted_sets.push((S::COLUMNS, 1, fields));
        }
    }

    pub(super) fn keys_of<S: Set<Row = T>>(&self, set: &S) -> Vec<T::Key> {
        let rows = self.entries.iter().filter_map(|(key, entry)| Some((key, entry.row.as_ref()?)));
        let mut keys: Vec<_> =
            rows.filter(|(_, row)| set.contains(row)).map(|(key, _)| key.clone()).collect();
        keys.sort_unstable();
        keys
    }

    fn undeclared(key: &T::Key) -> FoldError {
        FoldError::Undeclared { table: T::TABLE.name, key: format!("{key:?}") }
    }

    pub(super) fn get(&self, key: &T::Key) -> Result<Option<&T>, FoldError> {
        match self.entries.get(key) {
            Some(entry) => Ok(entry.row.as_ref()),
            None => Err(Self::undeclared(key)),
        }
    }

    fn change(
        &mut self,
        key: &T::Key,
        position: Position,
        change: impl FnOnce(&mut Option<T>) -> Result<(), FoldError>,
    ) -> Result<(), FoldError> {
        let entry = self.entries.get_mut(key).ok_or_else(|| Self::undeclared(key))?;
        let before = (key.clone(), entry.clone());
        change(&mut entry.row)?;
        entry.position = position;
        entry.changed = true;
        self.journal.push(before);
        Ok(())
    }

    pub(super) fn insert(&mut self, row: T, position: Position) -> Result<(), FoldError> {
        let key = row.key();
        self.change(&key, position, |place| {
            if place.is_some() {
                return Err(FoldError::Exists { table: T::TABLE.name, key: format!("{:?}", row.key()) });
            }
            *place = Some(row);
            Ok(())
        })
    }

    pub(super) fn put(&mut self, row: T, position: Position) -> Result<(), FoldError> {
        let key = row.key();
        self.change(&key, position, |place| {
            *place = Some(row);
            Ok(())
        })
    }

    pub(super) fn update(
        &mut self,
        key: &T::Key,
        change: impl FnOnce(&mut T),
        position: Position,
    ) -> Result<(), FoldError> {
        self.change(key, position, |place| {
            let missing = || FoldError::Missing { table: T::TABLE.name, key: format!("{key:?}") };
            change(place.as_mut().ok_or_else(missing)?);
            Ok(())
        })
    }

    /// Removes all rows of a set: those in memory here, those stored by one statement before anything else is written. So
    /// rows added after the sweep stay.
    pub(super) fn sweep<S: Set<Row = T>>(&mut self, set: &S, position: Position) {
        let mut fields = BytesMut::new();
        set.put(&mut fields);
        self.sweeps.push((S::COLUMNS, 1, fields));
        for (key, entry) in &mut self.entries {
            if entry.row.as_ref().is_some_and(|row| set.contains(row)) {
                self.journal.push((key.clone(), entry.clone()));
                *entry = Entry { row: None, position, stored: false, changed: true };
            }
        }
    }

    pub(super) fn delete(&mut self, key: &T::Key, position: Position) -> Result<(), FoldError> {
        self.change(key, position, |place| {
            *place = None;
            Ok(())
        })
    }
}

impl<T: Row> AnyTable for TableRows<T> {
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn begin(&mut self) {
        self.journal.clear();
        self.sweeps_before = self.sweeps.len();
    }

    fn roll_back(&mut self) {
        while let Some((key, entry)) = self.journal.pop() {
            self.entries.insert(key, entry);
        }
        self.sweeps.truncate(self.sweeps_before);
    }

    fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.wanted_sets.is_empty()
    }

    fn distrust_fresh(&mut self) {
        self.trust_fresh = false;
    }

    fn wanted(&mut self, index: usize) -> Vec<Wanted> {
        let mut wanted = Vec::new();
        let keys = std::mem::take(&mut self.wanted_keys);
        if !keys.is_empty() {
            let mut fields = BytesMut::new();
            keys.iter().for_each(|key| T::put_key(key, &mut fields));
            let (table, columns) = (T::TABLE, T::TABLE.key);
            wanted.push(Wanted { index, table, columns, count: keys.len(), fields });
        }
        for (columns, count, fields) in std::mem::take(&mut self.wanted_sets) {
            wanted.push(Wanted { index, table: T::TABLE, columns, count, fields });
        }
        wanted
    }

    fn loaded<'a>(&mut self, next: &mut dyn FnMut() -> Option<&'a [u8]>) -> Result<(), CellError> {
        let row = T::take(next)?;
        let position = <Position as crate::Cell>::read(next())?;
        let entry = Entry { row: Some(row.clone()), position, stored: true, changed: false };
        self.entries.insert(row.key(), entry);
        Ok(())
    }

    fn drain(&mut self, index: usize) -> Option<Pending> {
        let entries = std::mem::take(&mut self.entries);
        let mut changed: Vec<_> = entries.iter().filter(|(_, entry)| entry.changed).collect();
        self.journal.clear();
        let mut sweeps: Vec<Wanted> = Vec::new();
        for (columns, count, fields) in std::mem::take(&mut self.sweeps) {
            match sweeps.iter_mut().find(|sweep| std::ptr::eq(sweep.columns, columns)) {
                Some(sweep) => {
                    sweep.count += count;
                    sweep.fields.extend_from_slice(&fields);
                }
                None => sweeps.push(Wanted { index, table: T::TABLE, columns, count, fields }),
            }
        }
        self.sweeps_before = 0;
        if changed.is_empty() && sweeps.is_empty() {
            return None;
        }
        changed.sort_unstable_by_key(|(key, _)| *key);
        let width = i16::try_from(T::TABLE.width()).unwrap_or(i16::MAX);
        let mut pending = Pending {
            table: T::TABLE,
            sweeps,
            inserts: 0,
            inserted: BytesMut::new(),
            updates: 0,
            updated: BytesMut::new(),
            deletes: 0,
            deleted: BytesMut::new(),
        };
        for (key, entry) in changed {
            match (&entry.row, entry.stored) {
                (Some(row), false) => {
                    pending.inserts += 1;
                    pending.inserted.put_i16(width);
                    row.put(&mut pending.inserted);
                    crate::cell::put_field(&entry.position, &mut pending.inserted);
                }
                (Some(row), true) => {
                    pending.updates += 1;
                    row.put(&mut pending.updated);
                    crate::cell::put_field(&entry.position, &mut pending.updated);
                }
                (None, true) => {
                    pending.deletes += 1;
                    T::put_key(key, &mut pending.deleted);
                }
                (None, false) => {}
            }
        }
        Some(pending)
    }
}

/// The fields of rows in binary `COPY` format, without the widths.
pub(crate) struct CopiedFields<'a> {
    rows: &'a [u8],
    width: usize,
    next: usize,
}

impl<'a> CopiedFields<'a> {
    pub(crate) fn new(rows: &'a [u8], width: usize) -> Self {
        Self { rows, width, next: 0 }
    }
}

impl<'a> Iterator for CopiedFields<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.next == 0 {
            self.rows = self.rows.get(size_of::<i16>()..)?;
            self.next = self.width;
        }
        self.next = self.next.saturating_sub(1);
        let mut fields = Fields(self.rows);
        let field = fields.next();
        self.rows = fields.0;
        field
    }
}

/// Walks over fields: each item is one field with its length prefix.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let length = i32::from_be_bytes(*self.0.first_chunk::<4>()?);
        let size = 4 + usize::try_from(length).unwrap_or(0);
        let (field, rest) = self.0.split_at_checked(size)?;
        self.0 = rest;
        Some(field)
    }
}
