//! A whole server in the test's process.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use api::server::Listen;
use commands::auth::Auth;
use commands::auth::revocations::Follower;
use commands::auth::signing_keys::KeyFollower;
use commands::clock::Clock;
use commands::mail::Mailer;
use commands::reactions::{self, Reactions};
use commands::{Parts, Services};
use domain::Timestamp;
use eventstore_schema::database::{self, Config, Role};
use eventstore_schema::keyring::{RootKeyFile, Secret};
use eventstore_schema::lease::Leases;
use eventstore_schema::testing::{Engine, LogOptions, TestDatabase, TestLog};
use eventstore_schema::{EventLog, Keyring, Sealer};
use projections::{Feed, Projections, ReadModels, State as ProjectionState};
use prometheus::Registry;
use tempfile::TempDir;
use tokio_postgres::Client;

use crate::http::Http;

/// When manual clocks start.
pub const START: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);
/// Issuer of the access tokens.
pub const ISSUER: &str = "https://envoi.test";
/// Sender of every e-mail.
pub const SENDER: &str = "Envoi <envoi@envoi.test>";
/// Connections of each pool.
const POOL_SIZE: usize = 4;
/// Longest that a test waits for what has to come.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A server that runs until it is dropped.
pub struct TestServer {
    /// Where clients reach it.
    pub public: SocketAddr,
    /// Where operators reach it.
    pub internal: SocketAddr,
    /// Its clock: manual, standing at [`START`] until it is moved, when started so.
    pub clock: Clock,
    /// Everything that can be done, past HTTP.
    pub services: Services,
    /// The log.
    pub log: Arc<dyn EventLog>,
    /// What keeps it.
    pub engine: TestLog,
    /// Keys at rest.
    pub keyring: Arc<Keyring>,
    /// How far the read models are.
    pub projections: Arc<Projections>,
    files: PathBuf,
    _directory: TempDir,
    _running: api::server::Running,
    reactions: Option<reactions::Running>,
    _revocations: Follower,
    _keys: KeyFollower,
    config: Config,
    _database: Option<TestDatabase>,
}

/// What differs from test to test.
#[derive(Default)]
pub struct Options {
    /// The clock; the machine's when none is given.
    pub clock: Option<Clock>,
    /// Rate limits; none when none are given.
    pub rates: Option<api::Rates>,
    /// Whose word is taken for where requests come from; nobody's when nothing is said.
    pub proxies: api::Proxies,
    /// What keeps the log.
    pub engine: Engine,
    /// How the log is opened.
    pub log: LogOptions,
    /// How e-mails leave; into files when nothing is said.
    pub mail: Option<Mailer>,
    /// Where its root key and its e-mails lie; a directory of its own when nothing is said.
    pub files: Option<PathBuf>,
    /// Origins of web pages whose scripts may ask.
    pub origins: Vec<String>,
    /// Answers no events, as if every reactor were dead.
    pub without_reactions: bool,
    /// The release that it is of, as its read models tell: see [`projections::Projector::edition`].
    pub edition: u32,
    /// Does not wait until its read models are complete.
    pub at_once: bool,
}

impl TestServer {
    /// A server over a database of its own.
    pub async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    /// The same, with its log in another engine.
    pub async fn start_over(engine: Engine) -> Self {
        Self::start_with(Options { engine, ..Options::default() }).await
    }

    /// The same, with other options.
    pub async fn start_with(options: Options) -> Self {
        let fingerprint =
            commands::migrations::fingerprint() ^ projections::testing::fingerprint().rotate_left(1);
        let database = TestDatabase::create_with("server", fingerprint, migrate).await;
        let mut server = Self::over(&database.config(), options).await;
        server._database = Some(database);
        server
    }

    /// A server over a migrated database that the test looks after.
    pub async fn over(config: &Config, options: Options) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let files = options.files.unwrap_or_else(|| directory.path().to_owned());
        let registry = Registry::new();
        // Before anything else: a client of EventStoreDB sets up TLS for the process.
        let engine = TestLog::create(options.engine, config).await;
        let log = engine.open_with(options.log, &registry).await;
        let pool = database::pool(config, Role::App, POOL_SIZE).expect("a pool");
        let root = RootKeyFile::open_or_create(&files.join("root.key")).expect("a root key");
        let keyring = Arc::new(Keyring::open(pool.clone(), Arc::new(root)).await.expect("a keyring"));
        let sealer = Arc::new(Sealer::new(Arc::clone(&keyring)));
        let clock = options.clock.unwrap_or_else(Clock::system);
        let mailer = options.mail.unwrap_or_else(|| {
            let transport = format!("file:{}", files.join("mail").display());
            Mailer::open(&transport, SENDER, None).expect("a mailer")
        });
        let auth = Auth::open(&keyring, &clock, ISSUER, Arc::new(mailer)).await.expect("authentication");
        let auth = Arc::new(auth);
        let parts = Parts {
            log: Arc::clone(&log),
            sealer: Arc::clone(&sealer),
            pool,
            clock: clock.clone(),
            metrics: commands::metrics::Metrics::register(&registry).expect("metrics"),
            auth: Arc::clone(&auth),
            leases: Leases::start(config),
        };
        let services = Services::new(&parts);
        let feed = Arc::new(Feed::start(Arc::clone(&log)).await.expect("a feed"));
        let metrics = projections::Metrics::register(&registry).expect("metrics");
        let projectors = projections::testing::edition(options.edition);
        let projections = Projections::start(config, &feed, projectors, &metrics, Some(&parts.leases));
        let projections = Arc::new(projections);
        if !options.at_once {
            follow(&projections).await;
        }
        let revocations = auth.revocations.follow(Arc::clone(&log), clock.clone(), parts.metrics.clone());
        let keys = auth.tokens.follow(Arc::clone(&keyring));
        let answer = || Reactions::new(reactions::all(&services, &parts), parts.clone()).start();
        let reactions = (!options.without_reactions).then(answer);
        let secret = keyring.named_secret(Secret::PositionSealing).await.expect("a secret");
        let measures = api::Metrics::new(&registry).expect("metrics");
        let reading = database::pool(config, Role::Reader, POOL_SIZE).expect("a pool");
        let read_models = ReadModels::of_edition(reading, options.edition);
        let head = log.head().await.expect("a head");
        let reading = (read_models.clone(), Arc::clone(&projections), Arc::clone(&sealer));
        let people = api::People::start(&feed, head.position, reading);
        let state = api::state::State {
            clock: clock.clone(),
            services: services.clone(),
            sealer,
            read_models,
            projections: Arc::clone(&projections),
            live: api::Live::start(Arc::clone(&feed), &clock, &measures).await.expect("live sockets"),
            people,
            auth,
            leases: parts.leases.clone(),
            findings: api::health::Findings::default(),
            cursors: api::Cursors::new(&secret),
            incarnation: head.incarnation,
            rates: options.rates,
            metrics: measures,
            registry,
            proxies: options.proxies,
        };
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let listen = Listen {
            public: Some(any_port),
            internal: any_port,
            workers: 1,
            connections: 1_000,
            origins: options.origins,
        };
        let running = api::server::start(&listen, Arc::new(state)).expect("a free port");
        Self {
            public: running.public.expect("it answers clients"),
            internal: running.internal,
            clock,
            services,
            log,
            engine,
            keyring,
            projections,
            files,
            _directory: directory,
            _running: running,
            reactions,
            _revocations: revocations,
            _keys: keys,
            config: config.clone(),
            _database: None,
        }
    }

    /// Answers no events any more, as if every reactor had died.
    pub async fn stop_reactions(&mut self) {
        if let Some(reactions) = self.reactions.take() {
            reactions.stop().await;
        }
    }

    /// Another server over the same database, which answers no events.
    pub async fn another(&self) -> Self {
        self.another_with(Options { without_reactions: true, ..Options::default() }).await
    }

    /// Another server over the same database and files, with other options.
    pub async fn another_with(&self, options: Options) -> Self {
        let files = Some(self.files.clone());
        Self::over(&self.config, Options { files, ..options }).await
    }

    /// Where it is for clients.
    pub fn url(&self) -> String {
        format!("http://{}", self.public)
    }

    /// Requests without anybody logged in.
    pub fn http(&self) -> Http {
        Http::new(&self.url())
    }

    /// Requests as operators make them.
    pub fn internal(&self) -> Http {
        Http::new(&format!("http://{}", self.internal))
    }

    /// A connection to its database as superuser.
    pub async fn database(&self) -> Client {
        database::connect(&self.config).await.expect("a connection")
    }

    /// Waits until the read models show everything that is in the log.
    pub async fn settled(&self) {
        if let Some(position) = self.log.head().await.expect("a head").position {
            self.projections.wait_for_all(position, PATIENCE).await.expect("the read models follow");
        }
    }

    /// Waits for the newest token that was sent to an address.
    pub async fn mailed_token(&self, address: &str) -> String {
        let mails: PathBuf = self.files.join("mail");
        until(async || {
            let mut newest = None;
            for entry in std::fs::read_dir(&mails).ok()?.flatten() {
                let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
                let token = text.lines().find_map(|line| line.trim().strip_prefix("token: "));
                let written = entry.metadata().and_then(|data| data.modified()).ok();
                if let (true, Some(token)) = (text.contains(address), token) {
                    newest = newest.max(Some((written, token.to_owned())));
                }
            }
            newest.map(|(_, token)| token)
        })
        .await
    }
}

/// Brings a database with the log to the form of this release.
pub async fn migrate(client: &mut Client) {
    commands::migrate(client).await.expect("the write side's migrations apply");
    projections::migrate(client).await.expect("the read side's migrations apply");
}

async fn follow(projections: &Projections) {
    until(async || {
        let all = projections.progress();
        // One server of several over a database leads; the others stand by.
        let settled = [ProjectionState::Following, ProjectionState::Standby];
        all.iter().all(|(_, progress)| settled.contains(&progress.state)).then_some(())
    })
    .await;
}

/// Waits for a condition that has to become true.
///
/// # Panics
/// When it does not within [`PATIENCE`].
pub async fn until<T>(mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let wait = async {
        loop {
            if let Some(value) = condition().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("what has to come comes")
}
