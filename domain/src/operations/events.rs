//! What operators do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Digest;
use crate::event::events;

events! {
    /// Everything operators do.
    pub enum OperationsEvent in Operations as Operations {
        /// See [`ParkedStreamRetried`].
        ParkedStreamRetried(ParkedStreamRetried) = "operations.parked_stream_retried", 1;
        /// See [`ParkedStreamDiscarded`].
        ParkedStreamDiscarded(ParkedStreamDiscarded) = "operations.parked_stream_discarded", 1;
        /// See [`SigningKeyRotated`].
        SigningKeyRotated(SigningKeyRotated) = "operations.signing_key_rotated", 1;
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

/// Access tokens are signed with another key from now on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SigningKeyRotated {
    /// Version of the new key in the keyring, from 2.
    pub version: u32,
    /// Whether the ones before are known to others: what they signed is refused at once.
    pub compromised: bool,
}
