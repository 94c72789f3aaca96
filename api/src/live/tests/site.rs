//! One database with any number of nodes, people who are logged in, and clients of the socket.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use commands::auth::Auth;
use commands::clock::Clock;
use commands::mail::Mailer;
use commands::request::{CommandIdentity, Content, Request, command_id};
use commands::{Parts, Services};
use domain::account::{AccountRegistered, PasswordCause, PasswordSet};
use domain::conversation::commands::SendMessage;
use domain::conversation::{
    ConversationCreated, ConversationKind, ConversationMemberJoined, ConversationMemberLeft,
    ConversationRole, ConversationTitle, Earlier, HistoryVisibility, MessageBody, Recipient, RecipientKind,
    WorkspaceTerm,
};
use domain::device::{DeviceEnrolled, DeviceLabel, DeviceRenamed};
use domain::organization::{
    OrganizationCreated, OrganizationMemberJoined, OrganizationMemberRemoved, OrganizationProfile,
    OrganizationRole,
};
use domain::session::{SessionOrigin, SessionRevocationCause, SessionRevoked, SessionStarted};
use domain::{
    AccountId, Actor, Blob, Category, ConversationId, DeviceId, Digest, Event, EventGroup, HpkeKey,
    OrganizationId, PersonalRecord, SessionId, Signature, SubjectId, VerifyKey, WorkspaceId,
};
use eventstore_schema::database::Role;
use eventstore_schema::keyring::{RootKeyFile, Secret};
use eventstore_schema::lease::Leases;
use eventstore_schema::testing::TestDatabase;
use eventstore_schema::{
    Appended, CommandRef, EventLog, Expected, KeyRef, Keyring, NewEvent, Origin, PgEventLog, PgLogConfig,
    Position, SealHeader, Sealer, StreamAppend, StreamId, catalogue,
};
use projections::{Feed, Projections, ReadModels};
use serde_json::json;
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::super::hub::Delay;
use super::super::{Bounds, InProcess, Live};
pub use super::client::{Came, Client};
use crate::server::{self, Listen, Running};
use crate::state::State;
use crate::{Cursors, Metrics, Proxies};

/// Longest that a test waits for anything; reached only by one that fails.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// The organization of every conversation.
pub const ORGANIZATION: OrganizationId = OrganizationId::from_bytes([0xee; 16]);

/// One database and its key; any number of nodes.
pub struct Site {
    database: TestDatabase,
    files: tempfile::TempDir,
    clock: Clock,
}

/// One process's worth of server.
pub struct Node {
    pub state: Arc<State>,
    pub log: Arc<dyn EventLog>,
    running: Running,
}

/// Somebody who is logged in on a device.
#[derive(Clone, Copy, Debug)]
pub struct Person {
    pub account_id: AccountId,
    pub device_id: DeviceId,
    pub session_id: SessionId,
    /// Their term in [`ORGANIZATION`].
    pub term: u64,
}

impl Person {
    pub fn actor(&self) -> Actor {
        Actor::account(self.account_id)
    }

    fn recipient(&self) -> Recipient {
        Recipient {
            recipient_id: self.device_id.into(),
            kind: RecipientKind::Device,
            hpke_key: HpkeKey::from_bytes([1; 32]),
            verify_key: Some(VerifyKey::from_bytes([2; 32])),
        }
    }
}

impl Site {
    pub async fn new() -> Self {
        let fingerprint = commands::migrations::fingerprint() ^ projections::migrations::fingerprint();
        let database = TestDatabase::create_with("api", fingerprint, async |client| {
            commands::migrate(client).await.unwrap();
            projections::migrate(client).await.unwrap();
        })
        .await;
        Self { database, files: tempfile::tempdir().unwrap(), clock: Clock::system() }
    }

    /// The projection has set the conversation aside since before a member left it.
    pub async fn set_aside(&self, node: &Node, conversation_id: ConversationId, person: &Person) {
        let head = node.log.head().await.unwrap().position.unwrap();
        node.state.projections.wait_for("conversations", head, PATIENCE).await.unwrap();
        let client = eventstore_schema::database::connect(&self.database.config()).await.unwrap();
        let (conversation, account) = (conversation_id.as_uuid(), person.account_id.as_uuid());
        let sql = "UPDATE read.conversation_members SET left_at = NULL, left_position = NULL \
                   WHERE conversation_id = $1 AND account_id = $2";
        let sql = projections::qualified(sql);
        assert_eq!(client.execute(&sql, &[&conversation, &account]).await.unwrap(), 1);
        let sql = "INSERT INTO projection.parked_events \
                   (projection, fingerprint, position, organization_id, stream, revision, event_type) \
                   SELECT c.name, c.fingerprint, (SELECT count(*) FROM projection.parked_events), m.organization_id, \
                   'conversation-' || $1::uuid::text, 0, 'conversation.member_left' FROM projection.checkpoints AS c, \
                   (SELECT organization_id FROM read.conversation_members WHERE conversation_id = $1 LIMIT 1) AS m \
                   WHERE c.name = 'conversations'";
        assert_eq!(client.execute(&projections::qualified(sql), &[&conversation]).await.unwrap(), 1);
    }

    /// The projection has set the conversation aside since before somebody joined it.
    pub async fn set_aside_before(&self, node: &Node, conversation_id: ConversationId, person: &Person) {
        self.set_aside(node, conversation_id, person).await;
        let client = eventstore_schema::database::connect(&self.database.config()).await.unwrap();
        let (conversation, account) = (conversation_id.as_uuid(), person.account_id.as_uuid());
        let sql = "DELETE FROM read.conversation_members WHERE conversation_id = $1 AND account_id = $2";
        let sql = projections::qualified(sql);
        assert_eq!(client.execute(&sql, &[&conversation, &account]).await.unwrap(), 1);
    }

    pub async fn node(&self) -> Node {
        self.node_within(Bounds::default()).await
    }

    pub async fn node_within(&self, bounds: Bounds) -> Node {
        let config = self.database.config();
        let log = PgEventLog::connect(PgLogConfig::new(config.clone())).await.unwrap();
        let log: Arc<dyn EventLog> = Arc::new(log);
        let pool = self.database.pool(Role::App);
        let root = RootKeyFile::open_or_create(&self.files.path().join("root.key")).unwrap();
        let keyring = Arc::new(Keyring::open(pool.clone(), Arc::new(root)).await.unwrap());
        let sealer = Arc::new(Sealer::new(Arc::clone(&keyring)));
        let mails = format!("file:{}", self.files.path().join("mails").display());
        let mailer = Arc::new(Mailer::open(&mails, "Envoi <envoi@localhost>", None).unwrap());
        let auth = Auth::open(&keyring, &self.clock, "https://envoi.test", mailer).await.unwrap();
        let registry = prometheus::Registry::new();
        let parts = Parts {
            log: Arc::clone(&log),
            sealer: Arc::clone(&sealer),
            pool,
            clock: self.clock.clone(),
            metrics: commands::metrics::Metrics::register(&registry).unwrap(),
            auth: Arc::new(auth),
            leases: Leases::start(&config),
        };
        let feed = Arc::new(Feed::start(Arc::clone(&log)).await.unwrap());
        let is_needed = |name: &str| name == "conversations" || projections::ADDRESSING.contains(&name);
        let needed = projections::registry().into_iter().filter(|one| is_needed(one.name()));
        let counters = projections::Metrics::register(&registry).unwrap();
        let projections =
            Projections::start(&config, &feed, needed.collect(), &counters, Some(&parts.leases));
        let metrics = Metrics::new(&registry).unwrap();
        let delay = Delay { clock: self.clock.clone(), seconds: metrics.live_delay.clone() };
        let relay = Arc::new(InProcess::default());
        let live = Live::start_within(feed, relay, delay, bounds).await.unwrap();
        let read_models = ReadModels::new(self.database.pool(Role::Reader));
        let projections = Arc::new(projections);
        let parts_read = (read_models.clone(), Arc::clone(&projections), Arc::clone(&sealer));
        let people = crate::People::start(&live.feed, log.head().await.unwrap().position, parts_read);
        let state = Arc::new(State {
            clock: self.clock.clone(),
            services: Services::new(&parts),
            sealer,
            read_models,
            projections,
            live,
            people,
            auth: Arc::clone(&parts.auth),
            leases: parts.leases.clone(),
            findings: crate::health::Findings::default(),
            cursors: Cursors::new(&keyring.named_secret(Secret::PositionSealing).await.unwrap()),
            incarnation: log.head().await.unwrap().incarnation,
            rates: None,
            metrics,
            registry,
            proxies: Proxies::default(),
        });
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listen =
            Listen { public: Some(any), internal: any, workers: 2, connections: 1_000, origins: Vec::new() };
        let running = server::start(&listen, Arc::clone(&state)).unwrap();
        Node { state, log, running }
    }
}

impl Node {
    pub fn address(&self) -> SocketAddr {
        self.running.public.unwrap()
    }

    pub async fn stop(self) {
        self.running.stop().await;
    }

    /// Writes events into a stream, whatever the rules say.
    pub async fn write(
        &self,
        stream: StreamId,
        organization_id: Option<OrganizationId>,
        actor: Actor,
        events: Vec<(Event, Option<PersonalRecord>)>,
    ) -> Position {
        self.record(stream, organization_id, actor, events).await.position
    }

    pub(super) async fn record(
        &self,
        stream: StreamId,
        organization_id: Option<OrganizationId>,
        actor: Actor,
        events: Vec<(Event, Option<PersonalRecord>)>,
    ) -> Appended {
        let mut encoded = Vec::new();
        for (event, record) in events {
            let event_id = self.state.clock.new_id();
            let (event_type, version) = (event.name(), event.version());
            let payload = catalogue::encode(&event).unwrap();
            let mut new = NewEvent { event_id, event_type, version, payload, key_ref: None, sealed: None };
            if let Some(record) = record {
                let subject = SubjectId::from_bytes(*stream.id.as_bytes());
                let key_ref = KeyRef { tenant: organization_id.into(), subject, period: None };
                let event_type = event_type.to_owned();
                let header = SealHeader { event_id, event_type, version, stream, key_ref };
                new.sealed = Some(self.state.sealer.seal(&header, &record).await.unwrap());
                new.key_ref = Some(key_ref);
            }
            encoded.push(new);
        }
        let command = CommandRef { id: self.state.clock.new_id(), fingerprint: Digest::from_bytes([0; 32]) };
        let origin = Origin {
            organization_id,
            actor,
            device_id: None,
            correlation_id: self.state.clock.new_id(),
            causation_id: None,
            recorded_at: self.state.clock.now(),
        };
        let (expected, events, conditions) = (Expected::Any, encoded, Vec::new());
        let append = StreamAppend { stream, expected, command, origin, events, conditions };
        self.log.append(append).await.unwrap()
    }

    /// Somebody in the organization with a device and a session.
    pub async fn person(&self) -> Person {
        let account_id: AccountId = self.state.clock.new_id();
        let (device_id, session_id) = (self.state.clock.new_id(), self.state.clock.new_id());
        let actor = Actor::account(account_id);
        let enrolled = DeviceEnrolled {
            account_id,
            device_id,
            hpke_key: HpkeKey::from_bytes([1; 32]),
            verify_key: VerifyKey::from_bytes([2; 32]),
            certificate: Signature::from_bytes([3; 64]),
        };
        let label = DeviceLabel { name: "phone".to_owned() };
        let stream = StreamId::new(Category::Device, account_id);
        self.write(stream, None, actor, vec![(enrolled.into(), Some(label.into()))]).await;
        let mut person = Person { account_id, device_id, session_id, term: 0 };
        self.begin(&person).await;
        let (organization_id, role) = (ORGANIZATION, OrganizationRole::Member);
        let stream = StreamId::new(Category::Organization, organization_id);
        if self.log.last_of_stream(stream).await.unwrap().is_none() {
            let created = OrganizationCreated { organization_id, founder: AccountId::from_bytes([0xad; 16]) };
            let profile = OrganizationProfile { name: "Organization".to_owned() };
            self.write(stream, Some(ORGANIZATION), actor, vec![(created.into(), Some(profile.into()))]).await;
        }
        let joined = OrganizationMemberJoined { organization_id, account_id, role, invitation_id: None };
        let joined = self.record(stream, Some(ORGANIZATION), actor, vec![(joined.into(), None)]).await;
        person.term = joined.last_revision.get();
        person
    }

    /// Begins somebody's session.
    pub async fn begin(&self, person: &Person) {
        let Person { account_id, device_id, session_id, .. } = *person;
        let started = SessionStarted {
            session_id,
            account_id,
            device_id: Some(device_id),
            refresh_hash: Digest::from_bytes([4; 32]),
            expires_at: self.state.clock.now().plus_seconds(3_600),
            password_revision: 0,
        };
        let origin = SessionOrigin { ip: None, user_agent: None };
        let stream = StreamId::new(Category::Session, session_id);
        self.write(stream, None, person.actor(), vec![(started.into(), Some(origin.into()))]).await;
    }

    /// Removes somebody from the organization; nothing follows from it by itself.
    pub async fn remove(&self, person: &Person) {
        let (organization_id, account_id) = (ORGANIZATION, person.account_id);
        let removed_by = AccountId::from_bytes([0xad; 16]);
        let removed = OrganizationMemberRemoved { organization_id, account_id, removed_by };
        let stream = StreamId::new(Category::Organization, organization_id);
        self.write(stream, Some(ORGANIZATION), person.actor(), vec![(removed.into(), None)]).await;
    }

    /// Sets somebody's password anew, in a session of theirs or by a reset.
    pub async fn set_password(&self, person: &Person, spared: Option<SessionId>) {
        let account_id = person.account_id;
        let cause = if spared.is_some() { PasswordCause::Change } else { PasswordCause::Reset };
        let registered = AccountRegistered { account_id };
        let set = PasswordSet { account_id, cause, session_id: spared };
        let stream = StreamId::new(Category::Account, account_id);
        let events = vec![(registered.into(), None), (set.into(), None)];
        self.write(stream, None, person.actor(), events).await;
    }

    /// An access token that holds for `seconds` from now.
    pub fn token(&self, person: &Person, seconds: i64) -> String {
        let lasting = commands::auth::access_token::ACCESS_TOKEN_SECONDS;
        let issued = self.state.clock.now().plus_seconds(seconds - lasting);
        let Person { account_id, session_id, device_id, .. } = *person;
        let token = self.state.clock.new_id::<uuid::Uuid>();
        self.state.auth.tokens.issue(account_id, session_id, Some(device_id), issued, token).unwrap().0
    }

    /// A group that takes clear messages.
    pub async fn group(&self, members: &[&Person]) -> ConversationId {
        self.group_in(None, members).await
    }

    /// A group that takes clear messages, in a workspace of all of its members.
    pub async fn group_in(
        &self,
        workspace: Option<(WorkspaceId, Vec<u64>)>,
        members: &[&Person],
    ) -> ConversationId {
        let workspace_id = workspace.as_ref().map(|(id, _)| *id);
        let term = |nth: usize| {
            let (workspace_id, terms) = workspace.as_ref()?;
            Some(WorkspaceTerm { workspace_id: *workspace_id, term: terms[nth] })
        };
        let conversation_id: ConversationId = self.state.clock.new_id();
        let created = ConversationCreated {
            conversation_id,
            organization_id: ORGANIZATION,
            workspace_id,
            kind: ConversationKind::Group,
            creator: members[0].account_id,
            allows_plaintext: true,
            history_visibility: HistoryVisibility::Joined,
        };
        let title = ConversationTitle { title: Some("Group".to_owned()), topic: None };
        let mut events = vec![(created.into(), Some(title.into()))];
        let numbered = members.iter().enumerate();
        events.extend(numbered.map(|(nth, one)| (joined(conversation_id, one, term(nth)), None)));
        let stream = StreamId::new(Category::Conversation, conversation_id);
        self.write(stream, Some(ORGANIZATION), members[0].actor(), events).await;
        conversation_id
    }

    pub async fn join(&self, conversation_id: ConversationId, person: &Person) -> Position {
        let stream = StreamId::new(Category::Conversation, conversation_id);
        let event = joined(conversation_id, person, None);
        self.write(stream, Some(ORGANIZATION), person.actor(), vec![(event, None)]).await
    }

    pub async fn leave(&self, conversation_id: ConversationId, person: &Person) -> Position {
        let stream = StreamId::new(Category::Conversation, conversation_id);
        let account_id = person.account_id;
        let left = ConversationMemberLeft { conversation_id, account_id, removed_by: Some(account_id) };
        self.write(stream, Some(ORGANIZATION), person.actor(), vec![(left.into(), None)]).await
    }

    /// Something that only this account sees: what comes before it in the log has come before it on the socket.
    pub async fn mark(&self, person: &Person) -> Position {
        let Person { account_id, device_id, .. } = *person;
        let renamed = DeviceRenamed { account_id, device_id };
        let label = DeviceLabel { name: "marked".to_owned() };
        let stream = StreamId::new(Category::Device, account_id);
        self.write(stream, None, person.actor(), vec![(renamed.into(), Some(label.into()))]).await
    }

    pub async fn revoke(&self, person: &Person) {
        let Person { account_id, session_id, .. } = *person;
        let revoked = SessionRevoked { session_id, account_id, cause: SessionRevocationCause::Requested };
        let stream = StreamId::new(Category::Session, session_id);
        self.write(stream, None, person.actor(), vec![(revoked.into(), None)]).await;
    }

    /// Sends a clear message by the rules.
    pub async fn send(&self, from: &Person, conversation_id: ConversationId, content: &[u8]) {
        let message_id: uuid::Uuid = self.state.clock.new_id();
        let id = command_id(from.actor(), &message_id.to_string());
        let command = CommandIdentity { id, content: Content::of("send", &[content]) };
        let request = Request::new(self.state.clock.now(), from.actor(), command, self.state.clock.new_id())
            .with_device(Some(from.device_id));
        let body = MessageBody { content: Blob::new(content.to_vec()), cipher: None };
        let send = SendMessage { message_id: message_id.into(), generation: 0, reply_to: None, body };
        self.state.services.conversations.send(&request, conversation_id, send).await.unwrap();
    }

    /// A socket that has been welcomed.
    pub async fn connect(&self, person: &Person) -> Client {
        let mut client = self.open(person).await;
        client.say(json!({ "type": "hello" })).await;
        assert_eq!(client.next().await["type"], "welcome");
        client
    }

    /// A socket that follows the feed already: signals reach it, and nothing that was done on any node before.
    pub async fn connect_fully(&self, person: &Person) -> Client {
        let head = self.log.head().await.unwrap().position;
        self.state.live.hub.reached(head).await;
        let mut client = self.connect(person).await;
        client.say(json!({ "type": "ping", "id": "there" })).await;
        assert_eq!(client.next().await, json!({ "type": "pong", "id": "there" }));
        client
    }

    /// A socket that resumes; its first frame is still to come.
    pub async fn resume(&self, person: &Person, cursor: &str) -> Client {
        let mut client = self.open(person).await;
        client.say(json!({ "type": "hello", "resume_after": cursor })).await;
        client
    }

    /// A socket with a token, before its first frame.
    pub async fn open(&self, person: &Person) -> Client {
        let token = self.token(person, 300);
        self.try_open(Some(&token)).await.unwrap()
    }

    pub async fn try_open(&self, token: Option<&str>) -> Result<Client, tungstenite::Error> {
        let stream = TcpStream::connect(self.address()).await?;
        self.handshake(stream, token).await
    }

    /// A socket that takes little before it is read.
    pub async fn open_narrow(&self, person: &Person) -> Client {
        self.open_narrow_for(person, 300).await
    }

    /// The same with a token that holds for `seconds`.
    pub async fn open_narrow_for(&self, person: &Person, seconds: i64) -> Client {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        let stream = socket.connect(self.address()).await.unwrap();
        self.handshake(stream, Some(&self.token(person, seconds))).await.unwrap()
    }

    async fn handshake(&self, stream: TcpStream, token: Option<&str>) -> Result<Client, tungstenite::Error> {
        let mut request = format!("ws://{}/v1/live", self.address()).into_client_request()?;
        let protocols = match token {
            Some(token) => format!("envoi.v1, bearer.{token}"),
            None => "envoi.v1".to_owned(),
        };
        request.headers_mut().insert("sec-websocket-protocol", protocols.parse().unwrap());
        let answered = tokio_tungstenite::client_async(request, stream);
        let (stream, response) = tokio::time::timeout(PATIENCE, answered).await.expect("an answer comes")?;
        assert_eq!(response.headers()["sec-websocket-protocol"], "envoi.v1");
        Ok(Client::new(stream))
    }
}

fn joined(conversation_id: ConversationId, person: &Person, workspace: Option<WorkspaceTerm>) -> Event {
    ConversationMemberJoined {
        conversation_id,
        account_id: person.account_id,
        role: ConversationRole::Member,
        added_by: person.account_id,
        organization_term: person.term,
        workspace,
        earlier: Earlier::NOTHING,
        recipients: vec![person.recipient()],
    }
    .into()
}
