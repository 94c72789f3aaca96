//! Fingerprints of commands, format 1: what the log keeps of what was asked, to tell a repetition from another command under
//! the same id.
//!
//! What is asked often has few possible values: a phone number, a short name, a "yes". So its hash is kept under keys that
//! whoever reads the log does not have, and that are destroyed with what was asked: those of the command's first sealed
//! part, or else its tenant's and its actor's. A fingerprint tells which versions of them took part, so it stays comparable
//! when they are rotated. Described to the byte in `ops/docs/sealed-format.md`.

use std::sync::Arc;

use domain::{CommandId, Digest, Period, SubjectId};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use super::{SealError, Sealer};
use crate::envelope::Origin;
use crate::keyring::{KeyError, KeyName, KeyVersions};
use crate::sealed::{KeyRef, Tenant};

/// The format written today. None begins with 0, as [`IMPLIED`] does.
const FORMAT: u8 = 1;
/// Bytes that tell format (1) and key versions (6).
const HEADER_BYTES: usize = 7;
const KEY_CONTEXT: &str = "envoi 2026-11-21 command fingerprint key v1";
const ABSENT: [u8; 1] = [0];
const PRESENT: [u8; 1] = [1];

/// The fingerprint of every command whose content follows from its id.
pub const IMPLIED: Digest = Digest::from_bytes([0; 32]);

/// Names the keys of a command's fingerprint. They follow from what is on record of the command, whoever repeats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FingerprintKeys {
    tenant: Tenant,
    subject: Option<SubjectId>,
    period: Option<Period>,
}

impl FingerprintKeys {
    /// The keys of the command's first sealed part; without one, the tenant's and, where an account gave it, the account's.
    pub fn of(origin: &Origin, first_sealed: Option<KeyRef>) -> Self {
        if let Some(KeyRef { tenant, subject, period }) = first_sealed {
            return Self { tenant, subject: Some(subject), period };
        }
        let subject = origin.actor.as_account().map(SubjectId::from);
        Self { tenant: origin.organization_id.into(), subject, period: None }
    }

    /// Each with the place of its version in a fingerprint.
    fn names(&self) -> impl Iterator<Item = (usize, KeyName)> {
        let names = [
            Some(KeyName::Tenant(self.tenant)),
            self.subject.map(KeyName::Subject),
            self.period.map(KeyName::Period),
        ];
        names.into_iter().enumerate().filter_map(|(place, name)| Some((place, name?)))
    }
}

/// What a fingerprint on record says of what is asked now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recognition {
    /// The same was asked.
    Same,
    /// Something else was asked.
    Other,
    /// A key is destroyed: nobody can tell any more.
    Erased,
}

impl Sealer {
    /// The fingerprint of a command under the keys in force, which are made when they are used for the first time. `content`
    /// is a hash of what is asked.
    ///
    /// # Errors
    /// [`KeyError::Destroyed`] for a tenant, subject or period whose key is destroyed; see [`SealError`].
    pub async fn fingerprint(
        &self,
        keys: &FingerprintKeys,
        command: CommandId,
        content: &[u8; 32],
    ) -> Result<Digest, SealError> {
        let (places, names): (Vec<_>, Vec<_>) = keys.names().unzip();
        let entries = self.keyring.usable(&names).await?;
        let mut versions = [0; 3];
        let mut taken = [None; 3];
        for ((place, name), entry) in places.into_iter().zip(&names).zip(&entries) {
            let (version, key) = entry.active(*name)?;
            if let (Some(slot), Some(part)) = (versions.get_mut(place), taken.get_mut(place)) {
                (*slot, *part) = (version, Some(key));
            }
        }
        Ok(compute(versions, taken, command, content))
    }

    /// Compares the fingerprint that is on record with what is asked now, under the versions of its keys that it was made with.
    ///
    /// # Errors
    /// [`KeyError::Unknown`] when a key is neither there nor destroyed on record; see [`SealError`].
    pub async fn recognise(
        &self,
        keys: &FingerprintKeys,
        command: CommandId,
        content: &[u8; 32],
        recorded: &Digest,
    ) -> Result<Recognition, SealError> {
        let Some(versions) = versions_of(recorded) else { return Ok(Recognition::Other) };
        let (places, names): (Vec<_>, Vec<_>) = keys.names().unzip();
        let entries = self.keyring.versions(&names).await?;
        let Some(taken) = opening(places.into_iter().zip(names.iter().zip(&entries)), versions)? else {
            return Ok(Recognition::Erased);
        };
        let now = compute(versions, taken, command, content);
        let is_same = bool::from(now.as_bytes().ct_eq(recorded.as_bytes()));
        Ok(if is_same { Recognition::Same } else { Recognition::Other })
    }
}

type Key<'a> = Option<&'a Zeroizing<[u8; 32]>>;

/// The keys in the versions that took part; `None` when one of them is destroyed on record.
fn opening<'a>(
    entries: impl Iterator<Item = (usize, (&'a KeyName, &'a Arc<KeyVersions>))>,
    versions: [u16; 3],
) -> Result<Option<[Key<'a>; 3]>, KeyError> {
    let mut taken = [None; 3];
    let mut unknown = None;
    for (place, (name, entry)) in entries {
        let (Some(version), Some(part)) = (versions.get(place), taken.get_mut(place)) else { continue };
        match entry.opening(*name, *version) {
            Ok(None) => return Ok(None),
            Ok(key) => *part = key,
            Err(error) => unknown = unknown.or(Some(error)),
        }
    }
    unknown.map_or(Ok(Some(taken)), Err)
}

/// The versions that a fingerprint tells; `None` for what is no fingerprint of this format.
fn versions_of(fingerprint: &Digest) -> Option<[u16; 3]> {
    let [FORMAT, a, b, c, d, e, f, ..] = *fingerprint.as_bytes() else { return None };
    Some([u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]), u16::from_be_bytes([e, f])])
}

fn compute(versions: [u16; 3], keys: [Key<'_>; 3], command: CommandId, content: &[u8; 32]) -> Digest {
    let mut deriving = blake3::Hasher::new_derive_key(KEY_CONTEXT);
    for key in keys {
        match key {
            Some(key) => deriving.update(&PRESENT).update(key.as_slice()),
            None => deriving.update(&ABSENT),
        };
    }
    let key = Zeroizing::new(*deriving.finalize().as_bytes());
    deriving.zeroize();
    let [[a, b], [c, d], [e, f]] = versions.map(u16::to_be_bytes);
    let header = [FORMAT, a, b, c, d, e, f];
    let mut keyed = blake3::Hasher::new_keyed(&key);
    keyed.update(&header).update(command.as_bytes()).update(content);
    let mut fingerprint = [0; 32];
    let (head, tail) = fingerprint.split_at_mut(HEADER_BYTES);
    head.copy_from_slice(&header);
    keyed.finalize_xof().fill(tail);
    keyed.zeroize();
    Digest::from_bytes(fingerprint)
}

#[cfg(test)]
mod tests;
