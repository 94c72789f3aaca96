//! What operators can ask.

mod discard_parked_event;
mod discard_parked_stream;
mod retry_parked_event;
mod retry_parked_stream;
mod rotate_signing_key;

pub use discard_parked_event::DiscardParkedEvent;
pub use discard_parked_stream::DiscardParkedStream;
pub use retry_parked_event::RetryParkedEvent;
pub use retry_parked_stream::RetryParkedStream;
pub use rotate_signing_key::RotateSigningKey;

use crate::Digest;
use crate::aggregate::{ActorKind, Context};
use crate::command::commands;
use crate::rejection::Rejection;

use super::{Operations, OperationsEvent};

commands! {
    /// A command about a projection's parked stream, a reaction's parked event, or the signing key.
    pub enum OperationsCommand to Operations yielding OperationsEvent {
        RetryParkedStream(RetryParkedStream);
        DiscardParkedStream(DiscardParkedStream);
        RetryParkedEvent(RetryParkedEvent);
        DiscardParkedEvent(DiscardParkedEvent);
        RotateSigningKey(RotateSigningKey);
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
