//! What operators do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::codes::codes;
use crate::event::events;
use crate::{Digest, EventId};

events! {
    /// Everything operators do.
    pub enum OperationsEvent in Operations as Operations {
        /// See [`ParkedStreamRetried`].
        ParkedStreamRetried(ParkedStreamRetried) = "operations.parked_stream_retried", 1;
        /// See [`ParkedStreamDiscarded`].
        ParkedStreamDiscarded(ParkedStreamDiscarded) = "operations.parked_stream_discarded", 1;
        /// See [`ParkedEventRetried`].
        ParkedEventRetried(ParkedEventRetried) = "operations.parked_event_retried", 1;
        /// See [`ParkedEventDiscarded`].
        ParkedEventDiscarded(ParkedEventDiscarded) = "operations.parked_event_discarded", 1;
        /// See [`SigningKeyRotated`].
        SigningKeyRotated(SigningKeyRotated) = "operations.signing_key_rotated", 1;
    }
}

codes! {
    /// Why a reaction never answers an event.
    pub enum DiscardCause {
        /// An operator decided so.
        Operator = 0, "operator";
        /// No server will ever take the e-mail.
        Refused = 1, "refused";
        /// What the e-mail brings had expired before a server took it.
        Expired = 2, "expired";
    }
}

/// A stream that a projection had parked is folded again from the event that failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ParkedStreamRetried {
    /// BLAKE3 of the projection's name.
    pub projection: Digest,
    /// BLAKE3 of the stream's name.
    pub stream: Digest,
    /// Position of the event that failed.
    pub position: u64,
}

/// The event that parked a stream is left out of a projection, and the stream goes on behind it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ParkedStreamDiscarded {
    /// BLAKE3 of the projection's name.
    pub projection: Digest,
    /// BLAKE3 of the stream's name.
    pub stream: Digest,
    /// Position of the event that is left out.
    pub position: u64,
}

/// An event that a reaction had set aside is answered again, now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ParkedEventRetried {
    /// Names the reaction: [`super::reaction_digest`].
    pub reaction: Digest,
    /// The event.
    pub event_id: EventId,
}

/// A reaction never answers an event, and goes on with those that waited behind it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ParkedEventDiscarded {
    /// Names the reaction: [`super::reaction_digest`].
    pub reaction: Digest,
    /// The event.
    pub event_id: EventId,
    /// Why.
    pub cause: DiscardCause,
}

/// Access tokens are signed with another key from now on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SigningKeyRotated {
    /// Version of the new key in the keyring, from 2.
    pub version: u32,
    /// Whether the ones before are known to others: what they signed is refused at once.
    pub compromised: bool,
}
