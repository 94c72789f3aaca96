//! Why a command was not executed, and what the caller does next.

use std::sync::Arc;
use std::time::Duration;

use domain::{CommandId, Rejection};
use eventstore_schema::{LogError, Revision, StreamId};

/// Why a command was not executed. Nothing was written by it, but for [`ExecuteError::Unavailable`].
#[derive(Clone, Debug, thiserror::Error)]
pub enum ExecuteError {
    /// The session that it comes from has ended.
    #[error("the session has ended")]
    SessionEnded,
    /// A rule refuses it.
    #[error("the command is refused")]
    Rejected(#[source] Rejection),
    /// Of a command that was given on what is cached only: it was not recorded, and whether it may be is for the streams to say
    /// as they are now. Within this crate; nobody outside is answered so.
    #[error("the command was decided by what may be out of date")]
    Undecided,
    /// The stream is not at the revision that the caller read before.
    #[error("the stream is at {current:?}, not at the expected revision")]
    RevisionMismatch {
        /// Where it is; `None` when it has no events.
        current: Option<Revision>,
    },
    /// The command id was used before for something else, or for what was erased since, so that nobody can tell.
    #[error("command {command_id} was given before with other content, or it is erased")]
    CommandReused {
        /// The id.
        command_id: CommandId,
    },
    /// The same command is being executed right now: ask again for its result.
    #[error("command {command_id} is being executed")]
    InFlight {
        /// The id.
        command_id: CommandId,
    },
    /// The command makes more events than one append takes.
    #[error("the command makes {events} events with {bytes} bytes, more than one append takes")]
    TooLarge {
        /// How many events.
        events: usize,
        /// How many bytes.
        bytes: usize,
    },
    /// Too much waits already, or too many wrote to the stream at once: try again after the delay.
    #[error("too many commands are waiting")]
    Overloaded {
        /// After which to try again.
        retry_after: Duration,
    },
    /// The log or the keys cannot be reached. Whether the command took effect is unknown: repeating it under the same id
    /// is safe.
    #[error("the log cannot be reached: {reason}")]
    Unavailable {
        /// What it said.
        reason: String,
    },
    /// Nothing is written to the log that was found: it is older than the one that the installation knows, or another one. Its
    /// operators have to say which one counts; repeating the command under the same id is safe.
    #[error("nothing is written to this log: {reason}")]
    LogRefused {
        /// How it differs, and what to do.
        reason: Arc<str>,
    },
    /// The command's personal part cannot be sealed, and trying again does not help.
    #[error("the personal part of the command cannot be sealed: {reason}")]
    Seal {
        /// Why.
        reason: String,
    },
    /// The stream holds, or the command makes, what this release does not understand.
    #[error("stream {stream} cannot be understood: {reason}")]
    Corrupt {
        /// The stream.
        stream: StreamId,
        /// What is wrong.
        reason: String,
    },
}

impl ExecuteError {
    /// The refused rule, if one refused.
    pub fn rejection(&self) -> Option<&Rejection> {
        match self {
            ExecuteError::Rejected(rejection) => Some(rejection),
            _ => None,
        }
    }

    /// Whether repeating the same command may succeed.
    pub fn is_retryable(&self) -> bool {
        match self {
            ExecuteError::InFlight { .. }
            | ExecuteError::Overloaded { .. }
            | ExecuteError::Unavailable { .. }
            | ExecuteError::LogRefused { .. } => true,
            ExecuteError::SessionEnded
            | ExecuteError::Undecided
            | ExecuteError::Rejected(_)
            | ExecuteError::RevisionMismatch { .. }
            | ExecuteError::CommandReused { .. }
            | ExecuteError::TooLarge { .. }
            | ExecuteError::Seal { .. }
            | ExecuteError::Corrupt { .. } => false,
        }
    }

    /// The outcome's name in metrics.
    pub(super) fn outcome(&self) -> &'static str {
        match self {
            ExecuteError::SessionEnded => "session_ended",
            ExecuteError::Undecided => "undecided",
            ExecuteError::Rejected(_) => "rejected",
            ExecuteError::RevisionMismatch { .. } => "revision_mismatch",
            ExecuteError::CommandReused { .. } => "command_reused",
            ExecuteError::InFlight { .. } => "in_flight",
            ExecuteError::TooLarge { .. } => "too_large",
            ExecuteError::Overloaded { .. } => "overloaded",
            ExecuteError::Unavailable { .. } => "unavailable",
            ExecuteError::LogRefused { .. } => "log_refused",
            ExecuteError::Seal { .. } => "seal",
            ExecuteError::Corrupt { .. } => "corrupt",
        }
    }

    pub(super) fn from_log(stream: StreamId, error: &LogError) -> Self {
        match error {
            LogError::Unavailable { .. } => ExecuteError::Unavailable { reason: error.to_string() },
            LogError::Corrupt { reason, .. } => ExecuteError::Corrupt { stream, reason: reason.clone() },
        }
    }
}

impl From<Rejection> for ExecuteError {
    fn from(rejection: Rejection) -> Self {
        ExecuteError::Rejected(rejection)
    }
}
