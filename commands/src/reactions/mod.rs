//! Reactions: follow the log, and answer events with commands to other streams or with rows of the write side's indexes.
//!
//! # What holds
//!
//! - Each reaction has a checkpoint of its own, which never goes back, and answers every event at least once before its
//!   checkpoint moves past it, or sets it aside. So a reaction must be able to answer an event again: its commands carry ids
//!   derived from the event ([`crate::request::Request::reaction`]), and what it does follows from the state as it is now rather
//!   than from the event alone.
//! - Events of one ordering key ([`ordering`]: mostly an account) are answered in order. Whatever one of them meets delays those
//!   of others by [`crate::limits::REACTION_ATTEMPTS_TIME_MAX`] at most: then it is set aside, with those behind it of its key
//!   ([`parked`]), and tried again beside the others ([`retry`]), whether the log is busy or not.
//! - While nothing can be reached at all (the log, the mail relay), nothing is set aside: everything waits.
//! - What was set aside is never lost: it is answered, or an operator or the platform itself decides, on record, that it never
//!   is (`operations.parked_event_discarded`).

mod account_mail;
mod answer;
mod batch;
mod device_fanout;
mod follow;
mod followed;
mod indexes;
mod leader;
mod membership_index;
mod ordering;
mod organization_leave;
mod parked;
mod retry;
mod runner;
mod session_revoke;
mod store;
#[cfg(test)]
pub(crate) mod tests;
mod workspace_leave;

use std::sync::Arc;

use async_trait::async_trait;
use domain::Event;
use domain::operations::DiscardCause;
use eventstore_schema::{LogError, RecordedEvent, lease};
use tokio_postgres::Client;

use crate::executor::ExecuteError;
use crate::services::{Parts, Services};

pub use followed::{Adopted, adopt, checkpoints, follow_first, followed, furthest, relocate};
pub use indexes::rebuild_indexes;
pub use leader::Lead;
pub use parked::{ParkedEvent, ParkedFigures, parked_figures};
pub use runner::{Reactions, Running};
pub use store::ReactionStatus;

/// Answers events.
#[async_trait]
pub trait Reaction: Send + Sync + 'static {
    /// Name for ever: its checkpoint is kept under it.
    fn name(&self) -> &'static str;

    /// Names of the events that it answers.
    fn event_types(&self) -> &'static [&'static str];

    /// Reactions that have to have answered an event before this one does: those whose rows it reads. It answers the events
    /// that make those rows, too: so its answers to other events wait while one of those, of the same ordering key, is set aside.
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
        Arc::new(workspace_leave::WorkspaceLeave::new(executor(), pool(), clock())),
        Arc::new(session_revoke::SessionRevoke::new(executor(), pool(), clock())),
    ]
}

/// Names of all of them.
pub const NAMES: [&str; 6] = [
    account_mail::NAME,
    membership_index::NAME,
    device_fanout::NAME,
    organization_leave::NAME,
    workspace_leave::NAME,
    session_revoke::NAME,
];

/// Those that no process leads: what they answer is not answered.
///
/// # Errors
/// When the database does not answer.
pub async fn leaderless(client: &Client) -> Result<Vec<&'static str>, ReactionError> {
    let held = lease::holders(client).await?;
    Ok(NAMES.into_iter().filter(|name| !held.contains_key(&leader::lease_name(name))).collect())
}

/// Why an event was not answered.
#[derive(Debug, thiserror::Error)]
pub enum ReactionError {
    /// Something that this event needs cannot be reached. After some tries it is set aside, unless nothing can be reached.
    #[error("something cannot be reached: {0}")]
    Unavailable(String),
    /// Nothing that the reaction does can be done now: the event, and all behind it, wait.
    #[error("nothing can be done: {0}")]
    Down(String),
    /// The answer failed. After some tries the event is set aside.
    #[error("the answer failed: {0}")]
    Failed(String),
    /// Trying again helps later at the earliest: the event is set aside at once.
    #[error("the answer has to wait: {0}")]
    Deferred(String),
    /// Nothing can come of the event any more: that is recorded, and it is never tried again.
    #[error("the event is given up: {0}")]
    GivenUp(DiscardCause),
}

impl From<ExecuteError> for ReactionError {
    fn from(error: ExecuteError) -> Self {
        if let ExecuteError::LogRefused { .. } = error {
            return ReactionError::Down(error.to_string());
        }
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
