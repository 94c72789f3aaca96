//! Use cases: each gathers the facts that its command carries and has it executed. No rule lies here.

mod conversations;
mod devices;
pub(crate) mod facts;
mod invitation_token;
mod organizations;
mod workspaces;

use std::sync::Arc;

use eventstore_schema::{EventLog, Sealer};

use crate::clock::Clock;
use crate::executor::Executor;
use crate::metrics::Metrics;

pub use conversations::{Conversations, NewConversation};
pub use devices::Devices;
pub use invitation_token::InvitationToken;
pub use organizations::{Invited, NewInvitation, Organizations};
pub use workspaces::Workspaces;

/// What the services are made of.
#[derive(Clone)]
pub struct Parts {
    /// The log.
    pub log: Arc<dyn EventLog>,
    /// Seals what is personal.
    pub sealer: Arc<Sealer>,
    /// Connections to schema `write`, as role `envoi_app`.
    pub pool: deadpool_postgres::Pool,
    /// Time and randomness.
    pub clock: Clock,
    /// Registered once a process.
    pub metrics: Metrics,
}

/// Everything that can be done, made once a process. Clones share everything.
#[derive(Clone)]
pub struct Services {
    /// For what needs no more than one aggregate.
    pub executor: Executor,
    /// Conversations.
    pub conversations: Conversations,
    /// Keys and devices.
    pub devices: Devices,
    /// Organizations.
    pub organizations: Organizations,
    /// Workspaces.
    pub workspaces: Workspaces,
}

impl Services {
    /// Makes them.
    pub fn new(parts: &Parts) -> Self {
        let Parts { log, sealer, pool: _, clock, metrics } = parts;
        let executor = Executor::new(Arc::clone(log), Arc::clone(sealer), clock.clone(), metrics.clone());
        Self {
            conversations: Conversations::new(executor.clone()),
            devices: Devices::new(executor.clone()),
            organizations: Organizations::new(executor.clone(), Arc::clone(sealer)),
            workspaces: Workspaces::new(executor.clone()),
            executor,
        }
    }
}
