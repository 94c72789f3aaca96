//! Executes commands: loads the state, decides, seals, appends, once each and in order.

mod error;

pub use error::ExecuteError;

use domain::Aggregate;
use eventstore_schema::{Position, Revision, StreamId};

/// What a command did.
#[derive(Clone, Debug, PartialEq)]
pub struct Executed<E> {
    /// The stream. For a replay it is the stream of the first time.
    pub stream: StreamId,
    /// The stream's revision after the command.
    pub revision: Revision,
    /// Position of the stream's event at that revision; read models that reached it show the command's effect.
    pub position: Position,
    /// Whether the command took effect before, and nothing was written now.
    pub replayed: bool,
    /// What happened: the events of the first time. Empty when there was nothing to do.
    pub events: Vec<E>,
}

/// A state as the log has it at one moment.
#[derive(Clone, Debug)]
pub struct Loaded<A: Aggregate> {
    /// The state; the default one for a stream without events.
    pub state: A,
    /// Revision of its last event; `None` for a stream without events.
    pub revision: Option<Revision>,
}
