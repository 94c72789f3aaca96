//! What operators can ask.

mod discard_parked_stream;
mod retry_parked_stream;

pub use discard_parked_stream::DiscardParkedStream;
pub use retry_parked_stream::RetryParkedStream;

use crate::Digest;
use crate::aggregate::{ActorKind, Context};
use crate::command::commands;
use crate::rejection::Rejection;

use super::{Operations, OperationsEvent};

commands! {
    /// A command about a projection's parked stream.
    pub enum OperationsCommand to Operations yielding OperationsEvent {
        RetryParkedStream(RetryParkedStream);
        DiscardParkedStream(DiscardParkedStream);
    }
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

fn check_operator(context: &Context) -> Result<(), Rejection> {
    if context.actor.kind == ActorKind::Operator { Ok(()) } else { Err(Rejection::PlatformOnly) }
}
