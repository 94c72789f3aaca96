//! What a sealed part looks like from outside: whose keys, which header it is bound to, and what opening it can give.

use bytes::Bytes;
use domain::{ConversationId, EventId, OrganizationId, Period, SubjectId};

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

/// A sealed part with its header: what a read row stores and hands on unopened.
#[derive(Clone, Debug, PartialEq)]
pub struct SealedCell {
    /// What it is bound to.
    pub header: SealHeader,
    /// The sealed bytes.
    pub sealed: Bytes,
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
