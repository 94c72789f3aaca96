//! What operators do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Digest;
use crate::event::events;

events! {
    /// Everything operators do to a projection.
    pub enum OperationsEvent in Operations as Operations {
        /// See [`ParkedStreamRetried`].
        ParkedStreamRetried(ParkedStreamRetried) = "operations.parked_stream_retried", 1;
        /// See [`ParkedStreamDiscarded`].
        ParkedStreamDiscarded(ParkedStreamDiscarded) = "operations.parked_stream_discarded", 1;
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
