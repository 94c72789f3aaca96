//! Accounts and sessions over real PostgreSQL, on one node and on several.

mod accounts;
mod alike;
mod endings;
mod guessing;
mod registration;
mod sessions;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use domain::device::DeviceProof;
use domain::{AccountId, Actor, Context, CorrelationId, DeviceId, Timestamp};
use eventstore_schema::database::Role;
use eventstore_schema::keyring::RootKeyFile;
use eventstore_schema::lease::Leases;

use eventstore_schema::testing::TestDatabase;
use eventstore_schema::{
    EventLog, Keyring, PgEventLog, PgLogConfig, ReadFilter, RecordedEvent, Sealer, catalogue,
};
use zeroize::Zeroizing;

use super::{LoggedIn, Login, NewAccount, Parts, Services};
use crate::auth::{Auth, AuthError};
use crate::clock::Clock;
use crate::executor::ExecuteError;
use crate::mail::Mailer;
use crate::metrics::Metrics;
use crate::network::Network;
use crate::reactions;
use crate::reactions::tests::leading::next_lead;
use crate::request::{CommandIdentity, Content, Request, command_id};

const EMAIL: &str = "ann@example.org";
const PASSWORD: &str = "correct horse battery";
const OTHER_PASSWORD: &str = "staple correct horse";

/// One database, one clock, one mail directory; any number of nodes.
struct Site {
    database: TestDatabase,
    files: tempfile::TempDir,
    clock: Clock,
}

/// One process's worth of services.
struct Node {
    parts: Parts,
    services: Services,
}

impl Site {
    async fn new() -> Self {
        Self {
            database: crate::testing::database().await,
            files: tempfile::tempdir().unwrap(),
            clock: Clock::manual(Timestamp::from_micros(1_800_000_000_000_000)),
        }
    }

    async fn node(&self) -> Node {
        let log = PgEventLog::connect(PgLogConfig::new(self.database.config())).await.unwrap();
        self.node_over(Arc::new(log)).await
    }

    async fn node_over(&self, log: Arc<dyn EventLog>) -> Node {
        let pool = self.database.pool(Role::App);
        let root = RootKeyFile::open_or_create(&self.files.path().join("root.key")).unwrap();
        let keyring = Arc::new(Keyring::open(pool.clone(), Arc::new(root)).await.unwrap());
        let mailer =
            Mailer::open(&format!("file:{}", self.mails().display()), "Envoi <envoi@localhost>", None)
                .unwrap();
        let auth = Auth::open(&keyring, &self.clock, "https://envoi.test", Arc::new(mailer)).await.unwrap();
        let parts = Parts {
            log,
            sealer: Arc::new(Sealer::new(keyring)),
            pool,
            clock: self.clock.clone(),
            metrics: Metrics::register(&prometheus::Registry::new()).unwrap(),
            auth: Arc::new(auth),
            leases: Leases::start(&self.database.config()),
        };
        Node { services: Services::new(&parts), parts }
    }

    fn mails(&self) -> PathBuf {
        self.files.path().join("mails")
    }

    /// The bodies of all e-mails to `address` whose subject holds `subject`.
    fn mail_to(&self, address: &str, subject: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.mails()).unwrap();
        let texts = entries.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap());
        texts.filter(|text| text.contains(&format!("To: {address}")) && text.contains(subject)).collect()
    }

    /// The token in the only such e-mail.
    fn token_to(&self, address: &str, subject: &str) -> String {
        let mails = self.mail_to(address, subject);
        let [mail] = mails.as_slice() else { panic!("{} mails", mails.len()) };
        // Quoted-printable breaks long lines with a trailing equals sign.
        let mail = mail.replace("=\r\n", "").replace("=\n", "");
        let rest = mail.split_once("token: ").unwrap().1;
        rest.split_whitespace().next().unwrap().to_owned()
    }
}

impl Node {
    /// A request of `actor` under an idempotency key; its content is told from others by the key and `body`.
    fn request(&self, actor: Actor, key: &str, body: &str) -> Request {
        let command =
            CommandIdentity { id: command_id(actor, key), content: Content::of("test", &[body.as_bytes()]) };
        Request::new(self.parts.clock.now(), actor, command, CorrelationId::from_bytes([9; 16]))
    }

    fn anonymous(&self, key: &str) -> Request {
        self.request(Actor::ANONYMOUS, key, key)
    }

    fn by(&self, account: AccountId, device: Option<DeviceId>, key: &str) -> Request {
        let mut request = self.request(Actor::account(account), key, key);
        request.context = Context { device, ..request.context };
        request
    }

    async fn register(&self, key: &str, email: &str, password: &str) -> Result<(), AuthError> {
        let new = NewAccount {
            email: email.to_owned(),
            password: Zeroizing::new(password.to_owned()),
            display_name: "Ann".to_owned(),
            locale: None,
        };
        let request = self.request(Actor::ANONYMOUS, key, password);
        let answer = self.services.accounts.register(&request, new).await;
        self.services.accounts.idle().await;
        answer
    }

    async fn request_reset(&self, key: &str, email: &str) {
        let accounts = &self.services.accounts;
        accounts.request_password_reset(&self.anonymous(key), email).await.unwrap();
        accounts.idle().await;
    }

    async fn confirm(&self, key: &str, token: &str) -> Result<(), AuthError> {
        self.services.accounts.confirm_email(&self.anonymous(key), token).await.map(|_| ())
    }

    async fn reset_password(&self, key: &str, token: &str, password: &str) -> Result<(), AuthError> {
        let (request, password) = (self.anonymous(key), Zeroizing::new(password.to_owned()));
        self.services.accounts.reset_password(&request, token, password).await.map(|_| ())
    }

    /// How many events there are of a type.
    async fn count(&self, event_type: &'static str) -> usize {
        self.events(vec![event_type]).await.len()
    }

    async fn login(&self, key: &str, email: &str, password: &str) -> Result<LoggedIn, AuthError> {
        self.login_from(key, email, password, None).await
    }

    async fn login_from(
        &self,
        key: &str,
        email: &str,
        password: &str,
        device_id: Option<DeviceId>,
    ) -> Result<LoggedIn, AuthError> {
        self.login_shown(key, (email, password), 0, device_id, None).await
    }

    /// Logs in from network number `network`, on a device that shows itself.
    async fn login_shown(
        &self,
        key: &str,
        (email, password): (&str, &str),
        network: u8,
        device_id: Option<DeviceId>,
        device_proof: Option<DeviceProof>,
    ) -> Result<LoggedIn, AuthError> {
        let origin = domain::session::SessionOrigin { ip: Some("192.0.2.7".into()), user_agent: None };
        let password = Zeroizing::new(password.to_owned());
        let login = Login { email: email.to_owned(), password, device_id, device_proof, origin };
        let address = std::net::Ipv4Addr::new(192, 0, 2, network).into();
        let request = self.anonymous(key).with_network(Some(Network::of(address)));
        self.services.sessions.login(&request, login).await
    }

    async fn refresh(&self, key: &str, token: &str) -> Result<LoggedIn, AuthError> {
        self.services.sessions.refresh(&self.anonymous(key), token, None).await
    }

    async fn change_password(&self, session: &LoggedIn, key: &str, old: &str) -> Result<(), AuthError> {
        let request = self.by(session.account_id, session.device_id, key);
        let (old, new) = (Zeroizing::new(old.to_owned()), Zeroizing::new(OTHER_PASSWORD.to_owned()));
        self.services.accounts.change_password(&request, session.session_id, old, new).await.map(|_| ())
    }

    async fn is_let_in(&self, token: &str) -> bool {
        self.services.sessions.authenticate(token).await.is_ok()
    }

    async fn events(&self, event_types: Vec<&'static str>) -> Vec<RecordedEvent> {
        let filter = ReadFilter { event_types, ..ReadFilter::default() };
        self.parts.log.read_all(None, 1_000, &filter).await.unwrap()
    }

    /// Lets every reaction answer the whole log once, again and again until nothing more happens.
    async fn settle(&self) {
        let reactions = reactions::all(&self.services, &self.parts);
        let lead = next_lead(&self.parts.pool, &self.parts.leases, "all").await;
        let mut after = None;
        loop {
            let events = self.parts.log.read_all(after, 1_000, &ReadFilter::all()).await.unwrap();
            let Some(last) = events.last() else { return lead.give_back().await };
            after = Some(last.position);
            for recorded in &events {
                let event = catalogue::decode_recorded(recorded).unwrap();
                for reaction in &reactions {
                    if reaction.event_types().contains(&recorded.event_type.as_str()) {
                        reaction.react(&lead, recorded, &event).await.unwrap();
                    }
                }
            }
        }
    }
}

/// A registered, confirmed account.
async fn confirmed(site: &Site, node: &Node) {
    node.register("register", EMAIL, PASSWORD).await.unwrap();
    node.settle().await;
    let token = site.token_to(EMAIL, "Confirm");
    node.services.accounts.confirm_email(&node.anonymous("confirm"), &token).await.unwrap();
}

/// Waits for what happens beside an answer.
async fn eventually(mut holds: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect("it never came true");
}
