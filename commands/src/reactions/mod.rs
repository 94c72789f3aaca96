//! Reactions: follow the log, and answer events with commands to other streams or with rows of the write side's indexes.
//!
//! Each reaction has a checkpoint of its own and answers every event at least once, in order; an event is answered before the
//! checkpoint moves past it, and the checkpoint never goes back. So a reaction must be able to answer an event again: its
//! commands carry ids derived from the event ([`crate::request::Request::reaction`]), and what it does follows from the state
//! as it is now rather than from the event alone. One process at a time leads a reaction; one that was suspended and wakes
//! begins nothing more.

mod account_mail;
mod device_fanout;
mod followed;
mod leader;
mod membership_index;
mod organization_leave;
mod runner;
mod session_revoke;
mod store;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use domain::Event;
use eventstore_schema::{LogError, RecordedEvent};

use crate::executor::ExecuteError;
use crate::services::{Parts, Services};

pub use followed::{checkpoints, relocate};
pub use leader::Lead;
pub use runner::{Reactions, Running};
pub use store::{ParkedEvent, ReactionStatus};

/// Answers events.
#[async_trait]
pub trait Reaction: Send + Sync + 'static {
    /// Name for ever: its checkpoint is kept under it.
    fn name(&self) -> &'static str;

    /// Names of the events that it answers.
    fn event_types(&self) -> &'static [&'static str];

    /// Reactions whose checkpoint has to be at an event before this one answers it: those whose rows it reads.
    fn follows(&self) -> &'static [&'static str] {
        &[]
    }

    /// Answers an event. It may have been answered before, wholly or in part. It writes through [`Lead::write`] only, and asks
    /// [`Lead::check`] right before each command, e-mail or other thing that it sets off.
    ///
    /// # Errors
    /// See [`ReactionError`].
    async fn react(&self, lead: &Lead, recorded: &RecordedEvent, event: &Event) -> Result<(), ReactionError>;
}

/// Every reaction of the product, in the order in which they are named in metrics.
pub fn all(services: &Services, parts: &Parts) -> Vec<Arc<dyn Reaction>> {
    let executor = || services.executor.clone();
    let (pool, clock) = (|| parts.pool.clone(), || parts.clock.clone());
    let auth = Arc::clone(&parts.auth);
    vec![
        Arc::new(account_mail::AccountMail::new(services.clone(), auth, clock(), parts.metrics.clone())),
        Arc::new(membership_index::MembershipIndex),
        Arc::new(device_fanout::DeviceFanout::new(executor(), pool(), clock())),
        Arc::new(organization_leave::OrganizationLeave::new(executor(), pool(), clock())),
        Arc::new(session_revoke::SessionRevoke::new(executor(), pool(), clock())),
    ]
}

/// Why an event was not answered.
#[derive(Debug, thiserror::Error)]
pub enum ReactionError {
    /// Something cannot be reached: the event is tried again until it can be.
    #[error("something cannot be reached: {0}")]
    Unavailable(String),
    /// The answer failed. After some tries the event is set aside.
    #[error("the answer failed: {0}")]
    Failed(String),
}

impl From<ExecuteError> for ReactionError {
    fn from(error: ExecuteError) -> Self {
        let text = error.rejection().map_or_else(|| error.to_string(), |rejection| rejection.to_string());
        if error.is_retryable() { ReactionError::Unavailable(text) } else { ReactionError::Failed(text) }
    }
}

impl From<LogError> for ReactionError {
    fn from(error: LogError) -> Self {
        match &error {
            LogError::Unavailable { .. } => ReactionError::Unavailable(error.to_string()),
            LogError::Corrupt { .. } => ReactionError::Failed(error.to_string()),
        }
    }
}

impl From<eventstore_schema::database::PoolError> for ReactionError {
    fn from(error: eventstore_schema::database::PoolError) -> Self {
        ReactionError::Unavailable(error.to_string())
    }
}

impl From<tokio_postgres::Error> for ReactionError {
    fn from(error: tokio_postgres::Error) -> Self {
        // What the server refuses for its content (classes 22, 23 and 42) it refuses again; all else passes.
        let refused = error.code().is_some_and(|code| {
            let code = code.code();
            code.starts_with("22") || code.starts_with("23") || code.starts_with("42")
        });
        if refused {
            ReactionError::Failed(error.to_string())
        } else {
            ReactionError::Unavailable(error.to_string())
        }
    }
}
