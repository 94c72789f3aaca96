//! What a projection is: a name, tables, and a pure fold.

use std::sync::Arc;

use domain::{Digest, Event, OrganizationId, Timestamp};
use eventstore_schema::catalogue::{self, CatalogueError};
use eventstore_schema::{Position, RecordedEvent, SealedCell};

use crate::rows::{FoldError, Keys, Rows, TableDef};
use crate::table::View;

/// A recorded event with its open part decoded.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// As it stands in the log.
    pub recorded: RecordedEvent,
    /// Its open part.
    pub event: Event,
}

impl Decoded {
    /// Decodes a recorded event.
    ///
    /// # Errors
    /// When its type, version or bytes are unknown to this release.
    pub fn new(recorded: RecordedEvent) -> Result<Self, Box<Undecodable>> {
        match catalogue::decode_recorded(&recorded) {
            Ok(event) => Ok(Self { recorded, event }),
            Err(cause) => Err(Box::new(Undecodable { recorded, cause })),
        }
    }

    /// Its place in the log.
    pub fn position(&self) -> Position {
        self.recorded.position
    }

    /// When the command was given.
    pub fn at(&self) -> Timestamp {
        self.recorded.origin.recorded_at
    }

    /// The organization that the event belongs to.
    ///
    /// # Errors
    /// When it belongs to the platform.
    pub fn organization(&self) -> Result<OrganizationId, FoldError> {
        self.recorded.origin.organization_id.ok_or(FoldError::Incomplete { what: "organization" })
    }

    /// Its sealed part, as read rows store it.
    ///
    /// # Errors
    /// When it has none.
    pub fn sealed(&self) -> Result<SealedCell, FoldError> {
        self.recorded.sealed_cell().ok_or(FoldError::Incomplete { what: "sealed part" })
    }
}

/// An event that this release cannot decode. Projections park its stream; it is never left out.
#[derive(Debug)]
pub struct Undecodable {
    /// As it stands in the log.
    pub recorded: RecordedEvent,
    /// Why not.
    pub cause: CatalogueError,
}

/// What the feed hands on for one recorded event.
#[derive(Clone, Debug)]
pub enum Item {
    /// An event.
    Event(Arc<Decoded>),
    /// An event that cannot be decoded.
    Undecodable(Arc<Undecodable>),
}

impl Item {
    /// Decodes a recorded event.
    pub fn new(recorded: RecordedEvent) -> Self {
        match Decoded::new(recorded) {
            Ok(decoded) => Item::Event(Arc::new(decoded)),
            Err(failed) => Item::Undecodable(Arc::from(failed)),
        }
    }

    /// The event as it stands in the log.
    pub fn recorded(&self) -> &RecordedEvent {
        match self {
            Item::Event(decoded) => &decoded.recorded,
            Item::Undecodable(failed) => &failed.recorded,
        }
    }

    /// Its place in the log.
    pub fn position(&self) -> Position {
        self.recorded().position
    }
}

/// A read model's fold. Pure: what it does depends on the event and the rows it declared, on nothing else.
pub trait Projector: Send + Sync + 'static {
    /// Names the projection and its schemas: lower case letters and underscores.
    fn name(&self) -> &'static str;

    /// Version of the fold: raised whenever the same events give other rows. A change of tables shows by itself.
    fn version(&self) -> u32;

    /// Which of several sets of read models beside one another this is of: part of every fingerprint. Releases differ by their
    /// definitions and leave it at 0; a test stands for another release by another edition.
    fn edition(&self) -> u32 {
        0
    }

    /// Its tables.
    fn tables(&self) -> &'static [TableDef];

    /// Its views beside those over its tables.
    fn views(&self) -> &'static [View] {
        &[]
    }

    /// Names the rows that the event touches.
    fn keys(&self, event: &Decoded, keys: &mut Keys<'_>);

    /// Folds the event.
    ///
    /// # Errors
    /// When the event contradicts the rows; its stream is parked then.
    fn apply(&self, event: &Decoded, rows: &mut Rows) -> Result<(), FoldError>;
}

impl dyn Projector {
    /// Tells one shape and fold from another: hash of version and definitions. Each fingerprint has a checkpoint,
    /// tables and views of its own.
    pub fn fingerprint(&self) -> Digest {
        fingerprint_in(self, self.edition())
    }
}

/// [`Projector::fingerprint`] of a projection as it is in an edition.
pub(crate) fn fingerprint_in(projector: &dyn Projector, edition: u32) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key("envoi 2026-11-21 projection fingerprint v1");
    hasher.update(&projector.version().to_be_bytes());
    hasher.update(&edition.to_be_bytes());
    for def in projector.tables() {
        hasher.update(def.table().create("s").as_bytes());
        hasher.update(def.table().create_key("s").as_bytes());
        hasher.update(def.table().create_policy("s", edition).as_bytes());
        hasher.update(def.table().create_indexes("s").as_bytes());
    }
    for view in projector.views() {
        hasher.update(view.name.as_bytes());
        hasher.update(view.sql.as_bytes());
    }
    Digest::from_bytes(*hasher.finalize().as_bytes())
}
