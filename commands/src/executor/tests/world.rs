//! What the tests are made of: one log, any number of executors over it, requests, and an organization to act on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::organization::commands::{
    ChangeOrganizationProfile, CreateInvitation, CreateOrganization, OrganizationCommand, RevokeInvitation,
};
use domain::organization::{Organization, OrganizationEvent, OrganizationProfile, OrganizationRole};
use domain::{AccountId, Actor, Aggregate, CorrelationId, Digest, InvitationId, OrganizationId, Timestamp};
use eventstore_schema::memory::MemoryEventLog;
use eventstore_schema::{EventLog, Keyring, RecordedEvent, Revision, Sealer, StreamId};

use crate::clock::Clock;
use crate::executor::cells::Cells;
use crate::executor::{ExecuteError, Executed, Executor};
use crate::metrics::Metrics;
use crate::request::{CommandIdentity, Content, Request, command_id};

pub(super) const ORGANIZATION: OrganizationId = OrganizationId::from_bytes([7; 16]);
pub(super) const OWNER: AccountId = AccountId::from_bytes([1; 16]);
pub(super) const STRANGER: AccountId = AccountId::from_bytes([2; 16]);

pub(super) type Answer = Result<Executed<OrganizationEvent>, ExecuteError>;

pub(super) struct World {
    pub(super) log: Arc<MemoryEventLog>,
    pub(super) sealer: Arc<Sealer>,
    pub(super) clock: Clock,
    next: AtomicU64,
}

impl World {
    pub(super) async fn new() -> Self {
        Self {
            log: Arc::new(MemoryEventLog::new()),
            sealer: Arc::new(Sealer::new(Arc::new(Keyring::in_memory().await.unwrap()))),
            clock: Clock::manual(Timestamp::from_micros(1_700_000_000_000_000)),
            next: AtomicU64::new(0),
        }
    }

    /// An executor with the organization founded.
    pub(super) async fn founded() -> (Self, Executor) {
        let world = Self::new().await;
        let executor = world.executor();
        execute(&executor, found(ORGANIZATION), &world.request(OWNER)).await.unwrap();
        (world, executor)
    }

    pub(super) fn executor(&self) -> Executor {
        self.executor_with(Cells::default())
    }

    pub(super) fn executor_with(&self, cells: Cells) -> Executor {
        self.executor_over(self.log.clone(), cells)
    }

    pub(super) fn executor_over(&self, log: Arc<dyn EventLog>, cells: Cells) -> Executor {
        let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
        Executor::with_cells(log, self.sealer.clone(), self.clock.clone(), metrics, cells)
    }

    /// A request under a key of its own.
    pub(super) fn request(&self, account: AccountId) -> Request {
        self.keyed(account, &format!("key {}", self.next.fetch_add(1, Ordering::Relaxed)))
    }

    pub(super) fn keyed(&self, account: AccountId, key: &str) -> Request {
        let actor = Actor::account(account);
        let command =
            CommandIdentity { id: command_id(actor, key), content: Content::of("test", &[b"body"]) };
        Request::new(self.clock.now(), actor, command, CorrelationId::from_bytes([3; 16]))
    }

    pub(super) async fn events(&self) -> Vec<RecordedEvent> {
        let stream = StreamId::new(Organization::CATEGORY, ORGANIZATION);
        self.log.read_stream(stream, Revision::new(0), 100_000).await.unwrap()
    }
}

pub(super) async fn execute(executor: &Executor, command: OrganizationCommand, request: &Request) -> Answer {
    let id = match &command {
        OrganizationCommand::Create(create) => create.organization_id,
        _ => ORGANIZATION,
    };
    executor.execute::<Organization>(id, command, request).await
}

fn profile(name: &str) -> OrganizationProfile {
    OrganizationProfile { name: name.to_owned() }
}

pub(super) fn found(organization_id: OrganizationId) -> OrganizationCommand {
    OrganizationCommand::Create(CreateOrganization { organization_id, profile: profile("Acme") })
}

pub(super) fn rename() -> OrganizationCommand {
    OrganizationCommand::ChangeProfile(ChangeOrganizationProfile { profile: profile("Other") })
}

pub(super) fn invitation(number: u8) -> InvitationId {
    InvitationId::from_bytes([number; 16])
}

pub(super) fn invite(world: &World, number: u8) -> OrganizationCommand {
    OrganizationCommand::CreateInvitation(CreateInvitation {
        invitation_id: invitation(number),
        role: OrganizationRole::Member,
        token_hash: Digest::from_bytes([number; 32]),
        uses_max: 3,
        expires_at: world.clock.now().plus_seconds(3_600),
    })
}

pub(super) fn withdraw(number: u8) -> OrganizationCommand {
    OrganizationCommand::RevokeInvitation(RevokeInvitation { invitation_id: invitation(number) })
}
