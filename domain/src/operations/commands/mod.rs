//! What operators can ask.

use crate::Digest;

/// A command about a projection's parked stream.
#[derive(Clone, Debug)]
pub enum OperationsCommand {
    /// Fold it again.
    RetryParkedStream(ParkedStream),
    /// Leave the event out and go on.
    DiscardParkedStream(ParkedStream),
}

/// Names a parked stream.
#[derive(Clone, Debug)]
pub struct ParkedStream {
    /// BLAKE3 of the projection's name.
    pub projection: Digest,
    /// BLAKE3 of the stream's name.
    pub stream: Digest,
    /// Position of the event that failed.
    pub position: u64,
}
