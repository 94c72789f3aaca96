//! Use cases: each gathers the facts that its command carries and has it executed. No rule lies here.

mod accounts;
mod afterwards;
#[cfg(test)]
mod auth_tests;
mod conversations;
pub(crate) mod credentials;
mod devices;
pub(crate) mod facts;
mod invitation_token;
mod organizations;
mod receipts;
mod registration;
mod reserving;
mod sessions;
#[cfg(test)]
pub(crate) mod tests;
mod workspaces;

use std::sync::Arc;

use eventstore_schema::lease::Leases;
use eventstore_schema::{EventLog, Sealer};

use crate::auth::Auth;
use crate::auth::attempts::LoginAttempts;
use crate::clock::Clock;
use crate::executor::Executor;
use crate::metrics::Metrics;
use crate::reservations::Reservations;

pub use accounts::Accounts;
pub use conversations::{Conversations, NewConversation};
pub use devices::Devices;
pub use invitation_token::InvitationToken;
pub use organizations::{Invited, NewInvitation, Organizations};
pub use registration::NewAccount;
pub use sessions::{AuthenticateError, LoggedIn, Login, Sessions};
pub use workspaces::Workspaces;

/// What the services are made of.
#[derive(Clone)]
pub struct Parts {
    /// The log.
    pub log: Arc<dyn EventLog>,
    /// Seals what is personal.
    pub sealer: Arc<Sealer>,
    /// Connections to schema `write`, as role `envoi_app`.
    pub pool: eventstore_schema::database::Pool,
    /// Time and randomness.
    pub clock: Clock,
    /// Registered once a process.
    pub metrics: Metrics,
    /// Proves who somebody is.
    pub auth: Arc<Auth>,
    /// What this process does that one at a time may do.
    pub leases: Leases,
}

/// Everything that can be done, made once a process. Clones share everything.
#[derive(Clone)]
pub struct Services {
    /// For what needs no more than one aggregate.
    pub executor: Executor,
    /// Accounts.
    pub accounts: Accounts,
    /// Conversations.
    pub conversations: Conversations,
    /// Keys and devices.
    pub devices: Devices,
    /// Organizations.
    pub organizations: Organizations,
    /// Sessions.
    pub sessions: Sessions,
    /// Workspaces.
    pub workspaces: Workspaces,
    pub(crate) credentials: credentials::Credentials,
}

impl Services {
    /// Makes them.
    pub fn new(parts: &Parts) -> Self {
        let Parts { log, sealer, pool, clock, metrics, auth, .. } = parts;
        let executor = Executor::new(Arc::clone(log), Arc::clone(sealer), clock.clone(), metrics.clone());
        let reservations = Reservations::new(pool.clone());
        let credentials = credentials::Credentials::new(executor.clone(), Arc::clone(sealer), reservations);
        let attempts = LoginAttempts::new(pool.clone());
        let (auth, clock) = (|| Arc::clone(auth), || clock.clone());
        Self {
            accounts: Accounts::new(credentials.clone(), attempts.clone(), auth(), clock()),
            conversations: Conversations::new(executor.clone()),
            devices: Devices::new(executor.clone(), auth()),
            organizations: Organizations::new(executor.clone(), Arc::clone(sealer)),
            sessions: Sessions::new(credentials.clone(), attempts, auth(), clock(), metrics.logins.clone()),
            workspaces: Workspaces::new(executor.clone()),
            credentials,
            executor,
        }
    }
}
