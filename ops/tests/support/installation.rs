//! PostgreSQL, a root key and a configuration; the servers over them are started one by one.
#![allow(clippy::disallowed_methods, reason = "tests make their ids themselves")]

use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use domain::{Actor, CommandId, CorrelationId, Digest, EventId, Timestamp};
use envoi_client::api::dto::Registration;
use eventstore_schema::cluster::{Cluster, ClusterConfig, SUPERUSER};
use eventstore_schema::{
    CommandRef, EventLog, Expected, NewEvent, Origin, PgEventLog, PgLogConfig, Position, StreamAppend,
    StreamId,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::{PASSWORD, Ran, directory, envoi, fed};

const DATABASE: &str = "envoi";
/// The logins of the server and of who migrates: those of ops/deploy/roles.sql, but for a name that the cluster's superuser has.
pub const LOGIN: &str = "envoi_server";
pub const OWNER: &str = "envoi_owner";
/// Longer than anything takes that works.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// An installation without a server, with the rights that ops/docs/install.md gives. What it is dropped with goes.
pub struct Installation {
    pub log: Arc<dyn EventLog>,
    pub database: eventstore_schema::database::Config,
    runtime: Runtime,
    cluster: Option<Cluster>,
    config: PathBuf,
    directory: TempDir,
}

impl Installation {
    pub fn new() -> Self {
        Self::over(false)
    }

    /// The same with a PostgreSQL that keeps what it has acknowledged, as in production.
    pub fn durable() -> Self {
        Self::over(true)
    }

    fn over(durable: bool) -> Self {
        let directory = directory();
        let config = ClusterConfig { durable, ..ClusterConfig::new(directory.path().join("postgres")) };
        let cluster = Cluster::start(config).unwrap();
        let runtime = Runtime::new().unwrap();
        make_roles(&cluster, LOGIN, OWNER, DATABASE);
        let config = directory.path().join("envoi.toml");
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nmetrics_listen = \"127.0.0.1:0\"\ndrain_seconds = 0\n\n[database]\nurl = {:?}\n\n\
             [keys]\nroot_key_file = {:?}\n\n[mail]\ntransport = \"file:{}\"\n\n[telemetry]\nfilter = \"off\"\n",
            url_of(&cluster, LOGIN, DATABASE),
            directory.path().join("root.key"),
            directory.path().join("mail").display(),
        );
        std::fs::write(&config, text).unwrap();
        Ran::of(envoi(&["keys", "create-root", "--config", config.to_str().unwrap()])).succeeded();
        let database = cluster.config(DATABASE);
        let migrate = envoi(&["migrate", "--config", config.to_str().unwrap()]);
        Ran::of(as_owner(&cluster, migrate)).succeeded();
        let log = runtime.block_on(PgEventLog::connect(PgLogConfig::new(database.clone()))).unwrap();
        Self { log: Arc::new(log), database, runtime, cluster: Some(cluster), config, directory }
    }

    /// Where the configuration is.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// The URL of one of its databases for a login.
    pub fn url_of(&self, login: &str, database: &str) -> String {
        url_of(self.cluster.as_ref().unwrap(), login, database)
    }

    /// Makes roles and a database of other names beside its own, as ops/docs/install.md does.
    pub fn make_roles(&self, login: &str, owner: &str, database: &str) {
        make_roles(self.cluster.as_ref().unwrap(), login, owner, database);
    }

    /// Runs `envoi migrate` as the owner of the database.
    pub fn migrates(&self) -> Ran {
        self.runs_as_owner(&["migrate"])
    }

    /// Runs a verb of the binary as the owner of the database.
    pub fn runs_as_owner(&self, arguments: &[&str]) -> Ran {
        Ran::of(as_owner(self.cluster.as_ref().unwrap(), self.command(arguments)))
    }

    /// Where e-mails are handed over.
    pub fn mail(&self) -> PathBuf {
        self.directory.path().join("mail")
    }

    /// E-mails that were handed over so far.
    pub fn mails(&self) -> usize {
        std::fs::read_dir(self.mail()).map_or(0, |mails| mails.count())
    }

    /// Runs a verb of the binary over this installation.
    pub fn runs(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments))
    }

    pub fn command(&self, arguments: &[&str]) -> std::process::Command {
        envoi(&[arguments, &["--config", self.config.to_str().unwrap()]].concat())
    }

    /// Starts a server with these roles and waits until it runs.
    pub fn serve(&self, roles: &str) -> Serving {
        self.serve_with(roles, |_| ())
    }

    /// The same, started as `prepare` wants it.
    pub fn serve_with(&self, roles: &str, prepare: impl FnOnce(&mut std::process::Command)) -> Serving {
        let mut command = self.command(&["serve", "--json", "--roles", roles]);
        prepare(&mut command);
        Self::started(command)
    }

    /// Starts a server of all roles that lets everybody ask as often as they like.
    pub fn node(&self) -> Serving {
        let mut command = self.command(&["serve", "--json"]);
        command.env("ENVOI_SERVER_RATE_LIMITS", "false");
        Self::started(command)
    }

    fn started(mut command: std::process::Command) -> Serving {
        Serving::of(command.stdout(Stdio::piped()).spawn().unwrap())
    }

    /// PostgreSQL ends as when its machine is shut down.
    pub fn database_stops(&self) {
        self.cluster.as_ref().unwrap().stop().unwrap();
    }

    /// PostgreSQL starts again, where it was.
    pub fn database_starts(&self) {
        let directory = self.directory.path().join("postgres");
        Cluster::start(ClusterConfig { durable: false, ..ClusterConfig::new(directory) }).unwrap();
    }

    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Somebody registers: an e-mail is due.
    pub fn registers(&self, api: &Serving, name: &str) {
        let person = Registration {
            email: format!("{name}@envoi.test"),
            password: PASSWORD.to_owned(),
            display_name: name.to_owned(),
            locale: None,
        };
        let server = envoi_client::Server::new(api.url()).unwrap();
        self.block_on(server.register(&person)).unwrap();
    }

    /// Asks over HTTP; the status and the body.
    pub fn get(&self, url: &str) -> (u16, String) {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        self.block_on(async {
            let answer = reqwest::get(url).await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        })
    }

    pub fn spawn<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.runtime.spawn(future)
    }

    /// Runs SQL as superuser.
    pub fn sql(&self, sql: &str) {
        self.block_on(async {
            let client = eventstore_schema::database::connect(&self.database).await.unwrap();
            client.batch_execute(sql).await.unwrap();
        });
    }

    /// Appends an event without a sealed part to a stream, as the platform.
    pub fn append(&self, stream: StreamId, event_type: &'static str, payload: Bytes) -> Position {
        let id = Uuid::now_v7();
        let origin = Origin {
            organization_id: None,
            actor: Actor::SYSTEM,
            device_id: None,
            correlation_id: CorrelationId::from(id),
            causation_id: None,
            recorded_at: Timestamp::from_micros(1),
        };
        let event = NewEvent {
            event_id: EventId::from(id),
            event_type,
            version: 1,
            payload,
            key_ref: None,
            sealed: None,
        };
        let command = CommandRef { id: CommandId::from(id), fingerprint: Digest::from_bytes([0; 32]) };
        let (expected, events, conditions) = (Expected::Any, vec![event], Vec::new());
        let append = StreamAppend { stream, expected, command, origin, events, conditions };
        self.block_on(self.log.append(append)).unwrap().position
    }

    /// Waits until every projection has folded the event at a position, or put it aside.
    pub fn settled(&self, position: Position) {
        let count = projections::registry().len();
        self.eventually(&format!("the projections come to position {position}"), || {
            let status = self.block_on(projections::status(&self.database, &*self.log)).unwrap();
            status.len() == count && status.iter().all(|row| row.position >= Some(position))
        });
    }

    /// Waits for what has to come.
    #[track_caller]
    pub fn eventually(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let began = Instant::now();
        while !holds() {
            assert!(began.elapsed() < PATIENCE, "waited in vain: {what}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn url_of(cluster: &Cluster, login: &str, database: &str) -> String {
    cluster.url(database).replacen(SUPERUSER, login, 1)
}

fn make_roles(cluster: &Cluster, login: &str, owner: &str, database: &str) {
    let mut psql = std::process::Command::new("psql");
    psql.args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-d", &cluster.url("postgres")]);
    for (name, value) in [("login", login), ("owner", owner), ("database", database)] {
        psql.args(["-v", &format!("{name}={value}")]);
    }
    let script = concat!(include_str!("../../deploy/roles.sql"), include_str!("../../deploy/database.sql"));
    fed(psql, script).succeeded();
}

fn as_owner(cluster: &Cluster, mut command: std::process::Command) -> std::process::Command {
    command.env("ENVOI_DATABASE_MIGRATE_URL", url_of(cluster, OWNER, DATABASE));
    command
}

impl Drop for Installation {
    fn drop(&mut self) {
        if let Some(cluster) = self.cluster.take() {
            let _ = cluster.destroy();
        }
    }
}

/// A server in a process of its own, stopped when dropped.
pub struct Serving {
    child: Child,
    url: Option<String>,
    /// Where operators reach it.
    pub metrics: String,
}

impl Serving {
    /// Waits until a server that was started runs.
    pub fn of(mut child: Child) -> Self {
        let stdout = child.stdout.take().unwrap();
        let told = serde_json::Deserializer::from_reader(stdout).into_iter::<Value>().next();
        let told = told.expect("the server ended before it ran").unwrap();
        let url = told["listening"].as_str().map(|address| format!("http://{address}"));
        let metrics = told["metrics"].as_str().map(|address| format!("http://{address}"));
        Self { child, url, metrics: metrics.expect("it answers operators") }
    }

    /// Asks it to end, and waits until it has; whether that was in order.
    pub fn ends_when_asked(self) -> bool {
        self.signal("TERM");
        self.ends()
    }

    /// Waits until it has ended; whether that was in order.
    pub fn ends(mut self) -> bool {
        self.child.wait().unwrap().success()
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where clients reach it.
    #[track_caller]
    pub fn url(&self) -> &str {
        self.url.as_deref().expect("it answers clients")
    }

    /// Sends it a signal, as `kill` names it.
    pub fn signal(&self, name: &str) {
        let sent =
            std::process::Command::new("kill").args([&format!("-{name}"), &self.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// Ends it as `kill -9` does.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        super::terminate(&mut self.child);
    }
}
