//! What a sealed part looks like from outside: whose keys, which header it is bound to, and what opening it can give.

use bytes::Bytes;
use domain::{Category, ConversationId, EventId, OrganizationId, Period, Plain, SubjectId};
use uuid::Uuid;

use crate::envelope::StreamId;

/// Whose tenant key takes part in sealing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tenant {
    /// What belongs to no organization: accounts, devices, sessions.
    Platform,
    /// An organization.
    Organization(OrganizationId),
}

impl From<Option<OrganizationId>> for Tenant {
    fn from(id: Option<OrganizationId>) -> Self {
        id.map_or(Tenant::Platform, Tenant::Organization)
    }
}

/// Names the keys that a sealed part's key is composed of. Destroying any one makes the part unreadable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyRef {
    /// Off-boarding destroys the tenant's key.
    pub tenant: Tenant,
    /// Erasure destroys the subject's key.
    pub subject: SubjectId,
    /// Retention destroys the period's key.
    pub period: Option<Period>,
}

impl KeyRef {
    const PLATFORM: u8 = 0;
    const ORGANIZATION: u8 = 1;

    /// The keys that seal a record of `tenant`.
    pub fn of(tenant: impl Into<Tenant>, plain: &Plain) -> Self {
        Self { tenant: tenant.into(), subject: plain.subject, period: plain.period }
    }

    /// Canonical bytes: tenant kind (1), tenant id (16, organizations only), subject (16), then, with a period,
    /// conversation (16) and period number (4, big-endian).
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(53);
        match self.tenant {
            Tenant::Platform => bytes.push(Self::PLATFORM),
            Tenant::Organization(id) => {
                bytes.push(Self::ORGANIZATION);
                bytes.extend_from_slice(id.as_bytes());
            }
        }
        bytes.extend_from_slice(self.subject.as_bytes());
        if let Some(period) = self.period {
            bytes.extend_from_slice(period.conversation.as_bytes());
            bytes.extend_from_slice(&period.number.to_be_bytes());
        }
        bytes
    }

    /// Reads [`KeyRef::to_bytes`] back; `None` for bytes of any other form.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        let (tenant, rest) = match *kind {
            Self::PLATFORM => (Tenant::Platform, rest),
            Self::ORGANIZATION => {
                let (id, rest) = rest.split_first_chunk::<16>()?;
                (Tenant::Organization(OrganizationId::from_bytes(*id)), rest)
            }
            _ => return None,
        };
        let (subject, rest) = rest.split_first_chunk::<16>()?;
        let period = if rest.is_empty() {
            None
        } else {
            let (conversation, rest) = rest.split_first_chunk::<16>()?;
            let number = u32::from_be_bytes(rest.try_into().ok()?);
            Some(Period { conversation: ConversationId::from_bytes(*conversation), number })
        };
        Some(Self { tenant, subject: SubjectId::from_bytes(*subject), period })
    }
}

/// What a sealed part is bound to as associated data: it opens in this place only.
#[derive(Clone, Debug, PartialEq)]
pub struct SealHeader {
    /// The event.
    pub event_id: EventId,
    /// Its name.
    pub event_type: String,
    /// Version of its stored form.
    pub version: u16,
    /// Its stream.
    pub stream: StreamId,
    /// Whose keys; the tenant among them is the organization.
    pub key_ref: KeyRef,
}

/// A sealed part with its header: what a read row stores and hands on unopened. `Debug` shows the header only.
#[derive(Clone, PartialEq)]
pub struct SealedCell {
    /// What it is bound to.
    pub header: SealHeader,
    /// The sealed bytes.
    pub sealed: Bytes,
}

impl std::fmt::Debug for SealedCell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealedCell").field("header", &self.header).finish_non_exhaustive()
    }
}

/// The bytes are no sealed cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a sealed cell of a form known here")]
pub struct InvalidCell;

impl SealedCell {
    const FORM: u8 = 1;

    /// What a read row stores: form (1), event id (16), event version (2, big-endian), stream id (16), then length (1)
    /// and bytes of event type, stream category and key reference, then the sealed bytes to the end.
    ///
    /// Names of event types and categories have at most 255 bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let header = &self.header;
        let key_ref = header.key_ref.to_bytes();
        let names = [header.event_type.as_bytes(), header.stream.category.name().as_bytes(), &key_ref];
        let mut bytes = Vec::with_capacity(self.sealed.len().saturating_add(192));
        bytes.push(Self::FORM);
        bytes.extend_from_slice(header.event_id.as_bytes());
        bytes.extend_from_slice(&header.version.to_be_bytes());
        bytes.extend_from_slice(header.stream.id.as_bytes());
        for name in names {
            let length = u8::try_from(name.len()).unwrap_or(u8::MAX);
            bytes.push(length);
            bytes.extend(name.iter().take(usize::from(length)));
        }
        bytes.extend_from_slice(&self.sealed);
        bytes
    }

    /// Reads [`SealedCell::to_bytes`] back.
    ///
    /// # Errors
    /// When the bytes are of any other form.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidCell> {
        Self::parse(bytes).ok_or(InvalidCell)
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (&Self::FORM, rest) = bytes.split_first()? else { return None };
        let (event_id, rest) = rest.split_first_chunk::<16>()?;
        let (version, rest) = rest.split_first_chunk::<2>()?;
        let (stream_id, rest) = rest.split_first_chunk::<16>()?;
        let (event_type, rest) = Self::short(rest)?;
        let (category, rest) = Self::short(rest)?;
        let (key_ref, sealed) = Self::short(rest)?;
        let header = SealHeader {
            event_id: EventId::from_bytes(*event_id),
            event_type: std::str::from_utf8(event_type).ok()?.to_owned(),
            version: u16::from_be_bytes(*version),
            stream: StreamId {
                category: Category::from_name(std::str::from_utf8(category).ok()?)?,
                id: Uuid::from_bytes(*stream_id),
            },
            key_ref: KeyRef::from_bytes(key_ref)?,
        };
        Some(Self { header, sealed: Bytes::copy_from_slice(sealed) })
    }

    fn short(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
        let (length, rest) = bytes.split_first()?;
        rest.split_at_checked(usize::from(*length))
    }
}

/// What opening a sealed part gives.
#[derive(Clone, Debug, PartialEq)]
pub enum Opened<T> {
    /// The record.
    Clear(T),
    /// One of its keys was destroyed, and the destruction is on record.
    Erased,
}

impl<T> Opened<T> {
    /// The record, if it is not erased.
    pub fn clear(self) -> Option<T> {
        match self {
            Opened::Clear(record) => Some(record),
            Opened::Erased => None,
        }
    }

    /// The same with another record.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Opened<U> {
        match self {
            Opened::Clear(record) => Opened::Clear(change(record)),
            Opened::Erased => Opened::Erased,
        }
    }
}
