//! Why somebody was not authenticated, and what the caller does next.

use std::time::Duration;

use domain::{Rejection, Timestamp};
use eventstore_schema::keyring::KeyError;
use eventstore_schema::{LogError, SealError};

use super::access_token::TokenError;
use super::attempts::AttemptsError;
use super::password::PasswordError;
use crate::executor::ExecuteError;
use crate::reservations::ReservationError;

/// Why a use case of accounts or sessions failed.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// Address or password is wrong; which one is not told.
    #[error("the e-mail address or the password is wrong")]
    Refused,
    /// Too many logins failed; known and unknown addresses are answered alike.
    #[error("too many logins failed")]
    Locked {
        /// After which to try again.
        retry_after: Duration,
    },
    /// The refresh token is unknown, used up or expired, or its session ended: log in again.
    #[error("the refresh token is not valid any more")]
    RefreshRefused,
    /// Too many passwords are being hashed: try again after the delay.
    #[error("too many passwords are being verified")]
    Overloaded {
        /// After which to try again.
        retry_after: Duration,
    },
    /// A command was not executed; rules that are broken are here, too.
    #[error(transparent)]
    Execute(#[from] ExecuteError),
    /// Something cannot be reached. Repeating the same request is safe.
    #[error("authentication cannot reach what it needs: {0}")]
    Unavailable(String),
    /// Something stored cannot be used, and trying again does not help.
    #[error("authentication found something that it cannot use: {0}")]
    Damaged(String),
}

impl AuthError {
    /// Whether repeating the same command may succeed.
    pub fn is_retryable(&self) -> bool {
        match self {
            AuthError::Overloaded { .. } | AuthError::Unavailable(_) => true,
            AuthError::Execute(error) => error.is_retryable(),
            AuthError::Refused
            | AuthError::Locked { .. }
            | AuthError::RefreshRefused
            | AuthError::Damaged(_) => false,
        }
    }

    pub(crate) fn locked(until: Timestamp, now: Timestamp) -> Self {
        let micros = until.as_micros().saturating_sub(now.as_micros());
        AuthError::Locked { retry_after: Duration::from_micros(u64::try_from(micros).unwrap_or_default()) }
    }
}

impl From<Rejection> for AuthError {
    fn from(rejection: Rejection) -> Self {
        AuthError::Execute(rejection.into())
    }
}

impl From<PasswordError> for AuthError {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Policy(reason) => Rejection::InvalidField { field: "password", reason }.into(),
            PasswordError::Overloaded { retry_after } => AuthError::Overloaded { retry_after },
            PasswordError::Stored | PasswordError::Hash => AuthError::Damaged(error.to_string()),
        }
    }
}

impl From<ReservationError> for AuthError {
    fn from(error: ReservationError) -> Self {
        AuthError::Unavailable(error.to_string())
    }
}

impl From<AttemptsError> for AuthError {
    fn from(error: AttemptsError) -> Self {
        AuthError::Unavailable(error.to_string())
    }
}

impl From<KeyError> for AuthError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Unavailable(_) => AuthError::Unavailable(error.to_string()),
            _ => AuthError::Damaged(error.to_string()),
        }
    }
}

impl From<SealError> for AuthError {
    fn from(error: SealError) -> Self {
        if error.is_unavailable() {
            AuthError::Unavailable(error.to_string())
        } else {
            AuthError::Damaged(error.to_string())
        }
    }
}

impl From<LogError> for AuthError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Unavailable { .. } => AuthError::Unavailable(error.to_string()),
            LogError::Corrupt { .. } => AuthError::Damaged(error.to_string()),
        }
    }
}

impl From<TokenError> for AuthError {
    fn from(error: TokenError) -> Self {
        AuthError::Damaged(error.to_string())
    }
}
