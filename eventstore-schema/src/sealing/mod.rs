//! Seals and opens the personal part of events.
//!
//! A part is sealed under a key composed from those of its tenant, its subject and, within conversations, its retention
//! period; destroying any one makes it unreadable. It opens in its own place only: event, stream and keys are bound to it.

mod fingerprint;
mod format;

pub use fingerprint::{FingerprintKeys, IMPLIED, Recognition};

use bytes::Bytes;
use domain::records::RecordVisitor;
use domain::{EventId, PersonalRecord, Record};
use std::sync::Arc;
use zeroize::Zeroizing;

use crate::catalogue::{self, CatalogueError};
use crate::codec::{self, CodecError};
use crate::entropy::{self, EntropyError};
use crate::keyring::{KeyError, KeyMetrics, KeyName, KeyVersions, Keyring};
use crate::sealed::{KeyRef, Opened, SealHeader, SealedCell};
use format::{ComposedKey, KeyVersionNumbers, Parts};

/// Why a part was not sealed or not opened. Never says what is inside.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// A key cannot be used; see there for whether it is unknown, destroyed or out of reach.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The event has no sealed part, or another one.
    #[error("event type {event_type} seals {expected}, not {found}")]
    Record {
        /// The event's name.
        event_type: String,
        /// What its sealed part holds.
        expected: &'static str,
        /// What was to be sealed or opened.
        found: &'static str,
    },
    /// The sealed part is of a format that this release does not know, or cut short.
    #[error("the sealed part of event {event_id} is of no format known here")]
    Format {
        /// The event.
        event_id: EventId,
    },
    /// The sealed part or its place was changed, or one of its keys is not the one that it was sealed under.
    #[error("the sealed part of event {event_id} was changed, moved or sealed under other keys")]
    Tampered {
        /// The event.
        event_id: EventId,
    },
    /// The record cannot be encoded.
    #[error("cannot encode record {record} of event {event_id}")]
    Encode {
        /// Name of the record.
        record: &'static str,
        /// The event.
        event_id: EventId,
        /// What is wrong.
        source: CodecError,
    },
    /// The record cannot be decoded.
    #[error("cannot decode the sealed part of event {event_id}")]
    Decode {
        /// The event.
        event_id: EventId,
        /// What is wrong.
        source: CatalogueError,
    },
    /// There was no nonce.
    #[error("cannot make a nonce")]
    Entropy(#[from] EntropyError),
}

impl SealError {
    /// Whether trying again later may help.
    pub const fn is_unavailable(&self) -> bool {
        matches!(self, SealError::Key(KeyError::Unavailable(_)))
    }
}

/// Seals and opens personal records with the keys of a [`Keyring`]. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sealer {
    keyring: Arc<Keyring>,
    metrics: Option<KeyMetrics>,
}

impl Sealer {
    /// Uses the keys of `keyring`.
    pub const fn new(keyring: Arc<Keyring>) -> Self {
        Self { keyring, metrics: None }
    }

    /// The same, counting what it does.
    pub fn measured(self, metrics: KeyMetrics) -> Self {
        Self { metrics: Some(metrics), ..self }
    }

    /// The keyring behind.
    pub const fn keyring(&self) -> &Arc<Keyring> {
        &self.keyring
    }

    /// Seals a record for its place, making keys that are used for the first time. Keys are stored before this returns.
    ///
    /// # Errors
    /// [`KeyError::Destroyed`] for a tenant, subject or period whose key is destroyed; see [`SealError`].
    pub async fn seal(&self, header: &SealHeader, record: &PersonalRecord) -> Result<Bytes, SealError> {
        let sealed = self.seal_uncounted(header, record).await;
        if let Some(metrics) = &self.metrics {
            metrics.sealed(&sealed);
        }
        sealed
    }

    async fn seal_uncounted(&self, header: &SealHeader, record: &PersonalRecord) -> Result<Bytes, SealError> {
        expect_record(header, record.name())?;
        let codec = |source| SealError::Encode { record: record.name(), event_id: header.event_id, source };
        let plaintext = record.visit(EncodeRecord).map_err(codec)?;
        let names: Vec<_> = header.key_ref.keys().collect();
        let entries = self.keyring.usable(&names).await?;
        let (key, versions) = compose_active(&names, &entries)?;
        let nonce = entropy::random::<16>()?;
        format::seal(&key, versions, header, record.version(), &nonce, plaintext)
            .map(Bytes::from)
            .ok_or_else(|| codec(CodecError::Encode("too large to seal".to_owned())))
    }

    /// Opens one sealed part.
    ///
    /// # Errors
    /// [`KeyError::Unknown`] when a key is neither there nor destroyed on record; see [`SealError`].
    pub async fn open<R: Record>(&self, cell: &SealedCell) -> Result<Opened<R>, SealError> {
        let names: Vec<_> = cell.header.key_ref.keys().collect();
        let entries = self.keyring.versions(&names).await.map_err(SealError::from);
        self.counted(entries.and_then(|entries| open_with(cell, &entries)))
    }

    fn counted<R>(&self, opened: Result<Opened<R>, SealError>) -> Result<Opened<R>, SealError> {
        if let Some(metrics) = &self.metrics {
            metrics.opened(&opened);
        }
        opened
    }

    /// Fetches the keys of a page with at most one query, so that opening its parts one by one needs none.
    ///
    /// # Errors
    /// When the keyring cannot be reached.
    pub async fn fetch_keys(&self, cells: &[SealedCell]) -> Result<(), SealError> {
        let names: Vec<_> = cells.iter().flat_map(|cell| cell.header.key_ref.keys()).collect();
        self.keyring.versions(&names).await?;
        Ok(())
    }

    /// Opens the sealed parts of a page, in their order, fetching keys with at most one query.
    ///
    /// # Errors
    /// As [`Sealer::open`], for the first that does not open.
    pub async fn open_all<R: Record>(&self, cells: &[SealedCell]) -> Result<Vec<Opened<R>>, SealError> {
        let names: Vec<_> = cells.iter().flat_map(|cell| cell.header.key_ref.keys()).collect();
        let entries = self.keyring.versions(&names).await?;
        let mut rest = entries.as_slice();
        let mut opened = Vec::with_capacity(cells.len());
        for cell in cells {
            let count = cell.header.key_ref.keys().count();
            let (own, others) = rest.split_at_checked(count).unwrap_or((rest, &[]));
            opened.push(self.counted(open_with(cell, own))?);
            rest = others;
        }
        Ok(opened)
    }
}

fn expect_record(header: &SealHeader, found: &'static str) -> Result<(), SealError> {
    let expected = catalogue::sealed_record(&header.event_type).unwrap_or("nothing");
    if expected == found {
        return Ok(());
    }
    Err(SealError::Record { event_type: header.event_type.clone(), expected, found })
}

struct EncodeRecord;

impl RecordVisitor for EncodeRecord {
    type Output = Result<Zeroizing<Vec<u8>>, CodecError>;

    fn visit<R: Record>(self, record: &R) -> Self::Output {
        codec::encode_secret(record)
    }
}

fn compose_active(
    names: &[KeyName],
    entries: &[Arc<KeyVersions>],
) -> Result<(ComposedKey, KeyVersionNumbers), KeyError> {
    let mut active = Vec::with_capacity(3);
    for (name, entry) in names.iter().zip(entries) {
        active.push(entry.active(*name)?);
    }
    match active.as_slice() {
        [tenant, subject] => {
            let numbers = KeyVersionNumbers { tenant: tenant.0, subject: subject.0, period: 0 };
            Ok((ComposedKey::new(tenant.1, subject.1, None), numbers))
        }
        [tenant, subject, period] => {
            let numbers = KeyVersionNumbers { tenant: tenant.0, subject: subject.0, period: period.0 };
            Ok((ComposedKey::new(tenant.1, subject.1, Some(period.1)), numbers))
        }
        _ => Err(KeyError::Damaged("keys are missing from an answer".to_owned())),
    }
}

/// Composes the key that sealed a part; `None` when one of its keys is destroyed on record.
fn compose_opening(
    key_ref: &KeyRef,
    numbers: KeyVersionNumbers,
    entries: &[Arc<KeyVersions>],
) -> Result<Option<ComposedKey>, KeyError> {
    let numbers = [numbers.tenant, numbers.subject, numbers.period];
    let mut keys = Vec::with_capacity(3);
    let mut unknown = None;
    for ((name, entry), version) in key_ref.keys().zip(entries).zip(numbers) {
        match entry.opening(name, version) {
            Ok(Some(key)) => keys.push(key),
            Ok(None) => return Ok(None),
            Err(error) => unknown = unknown.or(Some(error)),
        }
    }
    match (unknown, keys.as_slice()) {
        (Some(error), _) => Err(error),
        (None, [tenant, subject]) => Ok(Some(ComposedKey::new(tenant, subject, None))),
        (None, [tenant, subject, period]) => Ok(Some(ComposedKey::new(tenant, subject, Some(period)))),
        (None, _) => Err(KeyError::Damaged("keys are missing from an answer".to_owned())),
    }
}

fn open_with<R: Record>(cell: &SealedCell, entries: &[Arc<KeyVersions>]) -> Result<Opened<R>, SealError> {
    expect_record(&cell.header, R::NAME)?;
    let event_id = cell.header.event_id;
    let parts = Parts::parse(&cell.sealed).map_err(|_| SealError::Format { event_id })?;
    let Some(key) = compose_opening(&cell.header.key_ref, parts.keys, entries)? else {
        return Ok(Opened::Erased);
    };
    let plain = parts.open(&key, &cell.header).map_err(|_| SealError::Tampered { event_id })?;
    let record = catalogue::decode_record::<R>(parts.record_version, &plain)
        .map_err(|source| SealError::Decode { event_id, source })?;
    Ok(Opened::Clear(record))
}

#[cfg(test)]
mod tests;
