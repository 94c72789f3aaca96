//! What the decisions about one projection, one reaction, or the signing key, add up to.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::aggregate::{Aggregate, Category, Context, Draft};
use crate::rejection::Rejection;
use crate::violation::Violation;
use crate::{Digest, OrganizationId, Timestamp};

use super::OperationsEvent;
use super::check;
use super::commands::OperationsCommand;

/// Names a reaction in events: BLAKE3 of `reaction/` and its name, so that none shares a stream with a projection.
pub fn reaction_digest(name: &str) -> Digest {
    let hash = blake3::Hasher::new().update(b"reaction/").update(name.as_bytes()).finalize();
    Digest::from_bytes(*hash.as_bytes())
}

/// Names the stream of a projection, a reaction, or the signing key: the first 16 bytes of the digest that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperationsId([u8; 16]);

impl OperationsId {
    /// The id for the key that signs access tokens.
    pub fn signing_key() -> Self {
        Self::of(&Digest::from_bytes(*blake3::hash(b"access-token-signing").as_bytes()))
    }

    /// The id for the projection or reaction that this digest names.
    pub fn of(named: &Digest) -> Self {
        let (id, _) = named.as_bytes().split_first_chunk::<16>().unwrap_or((&[0; 16], &[]));
        Self(*id)
    }
}

impl From<OperationsId> for uuid::Uuid {
    fn from(id: OperationsId) -> Self {
        uuid::Uuid::from_bytes(id.0)
    }
}

/// The events that operators had left out of a projection.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Operations {
    discarded: BTreeSet<u64>,
    signing_key: Option<u32>,
}

impl Operations {
    /// Whether the event at this position is left out of the projection.
    pub fn is_discarded(&self, position: u64) -> bool {
        self.discarded.contains(&position)
    }

    /// Version of the signing key that was decided last; none when it was never rotated.
    pub fn signing_key(&self) -> Option<u32> {
        self.signing_key
    }
}

impl Aggregate for Operations {
    const CATEGORY: Category = Category::Operations;
    const STATE_VERSION: u16 = 2;
    type Id = OperationsId;
    type Event = OperationsEvent;
    type Command = OperationsCommand;

    fn decide(
        &self,
        command: &OperationsCommand,
        context: &Context,
    ) -> Result<Vec<Draft<OperationsEvent>>, Rejection> {
        command.decide(self, context)
    }

    fn id_of(event: &Self::Event) -> Self::Id {
        check::id_of(event)
    }

    fn check(&self, event: &Self::Event) -> Result<(), Violation> {
        check::check(self, event)
    }

    fn evolve(&mut self, event: &OperationsEvent, _at: Timestamp) {
        match event {
            OperationsEvent::ParkedStreamRetried(_)
            | OperationsEvent::ParkedEventRetried(_)
            | OperationsEvent::ParkedEventDiscarded(_) => {}
            OperationsEvent::ParkedStreamDiscarded(event) => {
                self.discarded.insert(event.position);
            }
            OperationsEvent::SigningKeyRotated(event) => self.signing_key = Some(event.version),
        }
    }

    fn organization(&self) -> Option<OrganizationId> {
        None
    }
}
