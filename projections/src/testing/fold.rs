//! A projector over tables in memory, which meet every event alone, so that a key that was not declared shows.

use std::collections::BTreeMap;

use eventstore_schema::{Position, RecordedEvent};

use crate::projector::{Decoded, Projector};
use crate::rows::{CopiedFields, Fields, FoldError, Keys, Pending, Rows, Wanted};
use crate::table::{Row, Table};

type Stored = BTreeMap<Vec<u8>, Vec<u8>>;

/// A read model in memory.
pub struct Fold<P> {
    projector: P,
    tables: BTreeMap<&'static str, Stored>,
}

impl<P: Projector> Fold<P> {
    /// An empty read model.
    pub fn new(projector: P) -> Self {
        Self { projector, tables: BTreeMap::new() }
    }

    /// Folds one recorded event.
    ///
    /// # Errors
    /// When the fold refuses it; nothing changed then.
    pub fn fold(&mut self, recorded: RecordedEvent) -> Result<(), FoldError> {
        let decoded = Decoded::new(recorded).map_err(|_| FoldError::Incomplete { what: "known type" })?;
        let mut rows = Rows::new(self.projector.tables());
        self.projector.keys(&decoded, &mut Keys::new(&mut rows));
        for wanted in rows.wanted() {
            self.load(&wanted, &mut rows);
        }
        rows.begin(decoded.position());
        self.projector.apply(&decoded, &mut rows)?;
        for pending in rows.drain() {
            self.write(&pending);
        }
        Ok(())
    }

    /// All rows of a table, ascending by key, with the position that changed each last.
    pub fn rows<T: Row>(&self) -> Vec<(T, Position)> {
        let stored = self.tables.get(T::TABLE.name).into_iter().flat_map(BTreeMap::values);
        let mut rows: Vec<_> = stored
            .map(|bytes| {
                let mut fields = Fields(bytes);
                let mut next = || fields.next().and_then(content);
                let row = T::take(&mut next).expect("a row reads back");
                (row, <Position as crate::Cell>::read(next()).expect("a position"))
            })
            .collect();
        rows.sort_by_key(|(row, _)| row.key());
        rows
    }

    /// The row of a key.
    pub fn row<T: Row>(&self, key: &T::Key) -> Option<T> {
        self.rows::<T>().into_iter().map(|(row, _)| row).find(|row| row.key() == *key)
    }

    fn load(&self, wanted: &Wanted, rows: &mut Rows) {
        for bytes in self.tables.get(wanted.table.name).into_iter().flat_map(BTreeMap::values) {
            if agrees(wanted, bytes) {
                let mut fields = Fields(bytes);
                rows.loaded(wanted, &mut || fields.next().and_then(content)).expect("a row reads back");
            }
        }
    }

    fn write(&mut self, pending: &Pending) {
        let stored = self.tables.entry(pending.table.name).or_default();
        for sweep in &pending.sweeps {
            stored.retain(|_, row| !agrees(sweep, row));
        }
        let width = pending.table.width();
        let inserted = split(CopiedFields::new(&pending.inserted, width), width, pending.inserts);
        let updated = split(Fields(&pending.updated), width, pending.updates);
        for (rows, is_new) in [(inserted, true), (updated, false)] {
            for row in rows {
                let was = stored.insert(row_key(pending.table, &row), row);
                assert_eq!(
                    was.is_none(),
                    is_new,
                    "{}: a fresh key was there, or a stored one not",
                    pending.table.name
                );
            }
        }
        for key in split(Fields(&pending.deleted), pending.table.key.len(), pending.deletes) {
            assert!(stored.remove(&key).is_some());
        }
    }
}

fn content(field: &[u8]) -> Option<&[u8]> {
    let (length, content) = field.split_first_chunk::<4>()?;
    (i32::from_be_bytes(*length) >= 0).then_some(content)
}

fn split<'a>(fields: impl Iterator<Item = &'a [u8]>, width: usize, count: usize) -> Vec<Vec<u8>> {
    let fields: Vec<_> = fields.collect();
    let rows: Vec<_> = fields.chunks(width).map(<[&[u8]]>::concat).collect();
    assert_eq!(rows.len(), count);
    rows
}

fn row_key(table: &Table, row: &[u8]) -> Vec<u8> {
    Fields(row).take(table.key.len()).collect::<Vec<_>>().concat()
}

/// Whether the row is one of those wanted.
fn agrees(wanted: &Wanted, row: &[u8]) -> bool {
    let names: Vec<_> = wanted.table.all_columns().map(|column| column.name).collect();
    let fields: Vec<_> = Fields(row).collect();
    let place = |name| names.iter().position(|one| *one == name).expect("a column of the table");
    let tuple: Vec<_> = wanted.columns.iter().map(|column| fields[place(column.name)]).collect();
    let tuples: Vec<_> = Fields(&wanted.fields).collect();
    assert_eq!(tuples.len(), wanted.count * wanted.columns.len());
    tuples.chunks(wanted.columns.len()).any(|one| one == tuple)
}
