//! People with real keys, and services over a log in memory and a database for schema `write`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::conversation::{Conversation, ConversationKind, ConversationTitle, HistoryVisibility};
use domain::device::commands::{EnrollDevice, PublishIdentity, RevokeDevice};
use domain::device::{DeviceLabel, DeviceRevocationCause, IdentityVault, certificate};
use domain::organization::{OrganizationProfile, OrganizationRole};
use domain::session::commands::{SessionCommand, StartSession};
use domain::session::{Session, SessionOrigin};
use domain::{
    AccountId, Actor, Blob, ConversationId, CorrelationId, DeviceId, Digest, HpkeKey, OrganizationId,
    RecipientId, SessionId, Signature, Timestamp, VerifyKey,
};
use ed25519_dalek::{Signer, SigningKey};
use eventstore_schema::database::Role;
use eventstore_schema::lease::Leases;
use eventstore_schema::memory::MemoryEventLog;
use eventstore_schema::testing::{Engine, TestDatabase, TestLog};
use eventstore_schema::{EventLog, Keyring, Sealer};

use crate::auth::Auth;
use crate::clock::Clock;
use crate::mail::Mailer;
use crate::metrics::Metrics;
use crate::request::{CommandIdentity, Content, Request, command_id};
use crate::services::{NewConversation, NewInvitation};
use crate::{Parts, Services};

/// Somebody; devices are numbered from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Person(pub(crate) u8);

pub(crate) const ALICE: Person = Person(1);
pub(crate) const BOB: Person = Person(2);
pub(crate) const CAROL: Person = Person(3);

impl Person {
    pub(crate) const fn account(self) -> AccountId {
        AccountId::from_bytes([self.0; 16])
    }

    pub(crate) const fn device(self, nth: u8) -> DeviceId {
        let mut bytes = [self.0; 16];
        bytes[1] = 0xd0 + nth;
        DeviceId::from_bytes(bytes)
    }

    /// The session that acts for device `nth`.
    pub(crate) const fn session(self, nth: u8) -> SessionId {
        let mut bytes = [self.0; 16];
        bytes[1] = 0x50 + nth;
        SessionId::from_bytes(bytes)
    }

    pub(crate) fn key(self, what: u8) -> SigningKey {
        let mut seed = [self.0; 32];
        seed[1] = what;
        SigningKey::from_bytes(&seed)
    }

    fn sign(self, bytes: &[u8]) -> Signature {
        Signature::from_bytes(self.key(0xff).sign(bytes).to_bytes())
    }

    pub(crate) fn identity(self) -> PublishIdentity {
        let recovery_id = RecipientId::from_bytes([self.0 ^ 0x80; 16]);
        let recovery_key = HpkeKey::from_bytes([self.0 ^ 0x80; 32]);
        let certificate = certificate::recovery_certificate(self.account(), recovery_id, &recovery_key);
        PublishIdentity {
            account_id: self.account(),
            identity_key: VerifyKey::from_bytes(self.key(0xff).verifying_key().to_bytes()),
            recovery_id,
            recovery_key,
            recovery_certificate: self.sign(&certificate),
            vault: IdentityVault { encrypted_private_key: Blob::new(vec![1; 64]) },
            reset: None,
        }
    }

    pub(crate) fn enrollment(self, nth: u8) -> EnrollDevice {
        self.enrollment_as(self.device(nth), nth)
    }

    /// Device `nth` under an id of the person's choice.
    pub(crate) fn enrollment_as(self, device_id: DeviceId, nth: u8) -> EnrollDevice {
        let hpke_key = HpkeKey::from_bytes([self.0 ^ (nth + 0x40); 32]);
        let verify_key = VerifyKey::from_bytes(self.key(nth).verifying_key().to_bytes());
        let bytes = certificate::device_certificate(self.account(), device_id, &hpke_key, &verify_key);
        let label = DeviceLabel { name: format!("device {nth}") };
        EnrollDevice { device_id, hpke_key, verify_key, certificate: self.sign(&bytes), label }
    }
}

pub(crate) struct Stage {
    pub(crate) services: Services,
    pub(crate) parts: Parts,
    /// The log, when it is the one in memory.
    pub(crate) faulty: MemoryEventLog,
    pub(crate) database: TestDatabase,
    _engine: Option<TestLog>,
    outbox: tempfile::TempDir,
    next: AtomicU64,
}

impl Stage {
    /// Over a log in memory, which fails on demand.
    pub(crate) async fn new() -> Self {
        let database = crate::testing::database().await;
        let log = MemoryEventLog::new();
        Self::made(database, log.clone(), Arc::new(log)).await
    }

    /// Over a log that runs in production.
    pub(crate) async fn over(engine: Engine) -> Self {
        let database = crate::testing::database().await;
        let engine = TestLog::create(engine, &database.config()).await;
        let log = engine.open().await;
        Self { _engine: Some(engine), ..Self::made(database, MemoryEventLog::new(), log).await }
    }

    async fn made(database: TestDatabase, faulty: MemoryEventLog, log: Arc<dyn EventLog>) -> Self {
        let keyring = Arc::new(Keyring::in_memory().await.unwrap());
        let clock = Clock::manual(Timestamp::from_micros(1_700_000_000_000_000));
        let outbox = tempfile::tempdir().unwrap();
        let transport = format!("file:{}", outbox.path().display());
        let mailer = Arc::new(Mailer::open(&transport, "envoi@example.org", None).unwrap());
        let auth = Auth::open(&keyring, &clock, "https://envoi.example.org", mailer).await.unwrap();
        let parts = Parts {
            log,
            sealer: Arc::new(Sealer::new(keyring)),
            pool: database.pool(Role::App),
            leases: Leases::start(&database.config()),
            clock,
            auth: Arc::new(auth),
            metrics: Metrics::register(&prometheus::Registry::new()).unwrap(),
        };
        Self {
            services: Services::new(&parts),
            parts,
            faulty,
            database,
            _engine: None,
            outbox,
            next: AtomicU64::new(0),
        }
    }

    /// E-mails that were handed over.
    pub(crate) fn mails(&self) -> usize {
        std::fs::read_dir(self.outbox.path()).unwrap().count()
    }

    /// A command of somebody's device, under a key of its own.
    pub(crate) fn by(&self, person: Person, nth: u8) -> Request {
        let key = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        let actor = Actor::account(person.account());
        let command = CommandIdentity { id: command_id(actor, &key), content: Content::of("test", &[]) };
        Request::new(self.parts.clock.now(), actor, command, CorrelationId::from_bytes([3; 16]))
            .with_device(Some(person.device(nth)))
    }

    /// Publishes the person's identity, logs in and enrolls device 0.
    pub(crate) async fn enter(&self, person: Person) {
        self.services.devices.publish_identity(&self.by(person, 0), person.identity()).await.unwrap();
        self.enroll(person, 0).await;
    }

    pub(crate) async fn log_in(&self, person: Person, nth: u8, device_id: Option<DeviceId>) {
        let (session_id, account_id) = (person.session(nth), person.account());
        let origin = SessionOrigin { ip: None, user_agent: None };
        let refresh_hash = Digest::from_bytes([nth; 32]);
        let password_revision = 0;
        let command =
            StartSession { session_id, account_id, device_id, refresh_hash, password_revision, origin };
        let command = SessionCommand::Start(command);
        self.services.executor.execute::<Session>(session_id, command, &self.by(person, nth)).await.unwrap();
    }

    pub(crate) async fn enroll(&self, person: Person, nth: u8) {
        self.enroll_as(person, person.device(nth), nth).await;
    }

    /// Enrolls device `nth` under an id of the person's choice.
    pub(crate) async fn enroll_as(&self, person: Person, device_id: DeviceId, nth: u8) {
        self.log_in(person, nth, None).await;
        let request = self.by(person, nth).with_device(None);
        let enrollment = person.enrollment_as(device_id, nth);
        self.services.devices.enroll(&request, person.session(nth), enrollment).await.unwrap();
    }

    pub(crate) async fn revoke(&self, person: Person, nth: u8) {
        self.revoke_as(person, person.device(nth)).await;
    }

    /// Revokes the person's device that has this id.
    pub(crate) async fn revoke_as(&self, person: Person, device_id: DeviceId) {
        let command = RevokeDevice { device_id, cause: DeviceRevocationCause::Lost };
        self.services.devices.revoke(&self.by(person, 0), command).await.unwrap();
    }

    /// An organization that the first founded and the others joined by an invitation.
    pub(crate) async fn organization(&self, people: &[Person]) -> OrganizationId {
        let organizations = &self.services.organizations;
        let profile = OrganizationProfile { name: "Acme".to_owned() };
        let executed = organizations.create(&self.by(people[0], 0), profile).await.unwrap();
        let id = OrganizationId::from(executed.stream.id);
        if people.len() > 1 {
            let expires_at = self.parts.clock.now().plus_seconds(60);
            let new = NewInvitation { role: OrganizationRole::Member, uses_max: 10, expires_at };
            let invited = organizations.create_invitation(&self.by(people[0], 0), id, new).await.unwrap();
            for person in &people[1..] {
                organizations.accept_invitation(&self.by(*person, 0), &invited.token).await.unwrap();
            }
        }
        id
    }

    pub(crate) fn new_group(&self, organization_id: OrganizationId, others: &[Person]) -> NewConversation {
        NewConversation {
            organization_id,
            workspace_id: None,
            kind: ConversationKind::Group,
            title: ConversationTitle { title: Some("General".to_owned()), topic: None },
            allows_plaintext: true,
            history_visibility: HistoryVisibility::Joined,
            members: others.iter().map(|person| person.account()).collect(),
        }
    }

    pub(crate) async fn group(
        &self,
        organization_id: OrganizationId,
        creator: Person,
        others: &[Person],
    ) -> ConversationId {
        let new = self.new_group(organization_id, others);
        let executed = self.services.conversations.create(&self.by(creator, 0), new).await.unwrap();
        ConversationId::from(executed.stream.id)
    }

    pub(crate) async fn conversation(&self, id: ConversationId) -> Conversation {
        self.services.executor.load::<Conversation>(id).await.unwrap().state
    }

    pub(crate) async fn session(&self, id: SessionId) -> Session {
        self.services.executor.load::<Session>(id).await.unwrap().state
    }
}
