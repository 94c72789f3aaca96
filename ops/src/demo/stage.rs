//! Where the play takes place: a private installation made for it, or a server that runs already.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use eventstore_schema::{EventLog, Position, ReadFilter};
use projections::{Feed, Projections};
use prometheus::Registry;

use super::mailbox::Mailbox;
use super::person;
use crate::cli::CliError;
use crate::config::Config;
use crate::runtime;
use crate::runtime::private::Private;
use crate::runtime::server::{Role, Server};

/// Longest wait for the read models to come up to the log's end.
const ABREAST_WAIT_MAX: Duration = Duration::from_secs(60);
/// Events read at once while they are counted.
const PAGE_EVENTS: usize = 1_024;

/// A server that runs already.
pub struct Elsewhere {
    /// Its address.
    pub url: String,
    /// The folder that it writes e-mails to.
    pub mail_directory: PathBuf,
    /// Its configuration; without a database in it, what needs one is left out.
    pub config: Config,
}

struct Own {
    private: Private,
    server: Server,
    /// Removed last, with whatever is left in it.
    _directory: tempfile::TempDir,
}

/// The database behind the server.
pub struct Backstage {
    /// How to connect to it.
    pub database: tokio_postgres::Config,
    /// The log.
    pub log: Arc<dyn EventLog>,
    projections: Arc<Projections>,
    began: Option<Position>,
}

/// Where the play takes place.
pub struct Stage {
    /// The server's address.
    pub url: String,
    /// Its e-mails.
    pub mailbox: Mailbox,
    /// Names this run: a server that runs already has seen others.
    pub run: String,
    /// What lies behind, if it can be reached.
    pub backstage: Option<Backstage>,
    own: Option<Own>,
}

impl Stage {
    /// Makes a private installation in a temporary directory and starts its server.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or anything does not start.
    pub async fn private() -> Result<Self, CliError> {
        let directory = tempfile::Builder::new()
            .prefix("envoi-demo-")
            .tempdir()
            .map_err(|error| CliError::usage("no temporary directory can be made").because(&error))?;
        let private = Private::start(&directory.path().join("installation")).await?;
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut config = private.configuration(Config::default(), any, any);
        // Everybody plays from one address: what protects a public server would only make them wait.
        config.server.rate_limits = false;
        let mailbox = Mailbox::new(private.mail_directory());
        match Self::over(private, &config, directory, mailbox).await {
            Ok(stage) => Ok(stage),
            Err((private, error)) => {
                private.destroy().await?;
                Err(error)
            }
        }
    }

    async fn over(
        private: Private,
        config: &Config,
        directory: tempfile::TempDir,
        mailbox: Mailbox,
    ) -> Result<Self, (Private, CliError)> {
        let server = match Server::start(config, Role::ALL).await {
            Ok(server) => server,
            Err(error) => return Err((private, error)),
        };
        let ready = async {
            let address =
                server.public().ok_or_else(|| CliError::failed("the server answers no clients"))?;
            let backend = &server.backend;
            let (database, log) = (backend.database.clone(), Arc::clone(&backend.log));
            let backstage = Backstage::new(database, log, Arc::clone(&server.projections)).await?;
            Ok((format!("http://{address}"), backstage, person::secret()?))
        };
        match ready.await {
            Ok((url, backstage, run)) => {
                let own = Some(Own { private, server, _directory: directory });
                Ok(Self { url, mailbox, run, backstage: Some(backstage), own })
            }
            Err(error) => {
                server.stop().await;
                Err((private, error))
            }
        }
    }

    /// Plays on a server that runs already.
    ///
    /// # Errors
    /// When its database is configured and cannot be reached.
    pub async fn elsewhere(elsewhere: Elsewhere) -> Result<Self, CliError> {
        let Elsewhere { url, mail_directory, config } = elsewhere;
        let backstage = match config.database.url.is_empty() {
            true => None,
            false => Some(Backstage::connect(&config).await?),
        };
        let mailbox = Mailbox::new(mail_directory);
        Ok(Self { url, mailbox, run: person::secret()?, backstage, own: None })
    }

    /// Stops and removes what was made for the play.
    ///
    /// # Errors
    /// When something of it cannot be removed.
    pub async fn close(self) -> Result<(), CliError> {
        drop(self.backstage);
        let Some(own) = self.own else { return Ok(()) };
        own.server.stop().await;
        own.private.destroy().await
    }
}

impl Backstage {
    async fn new(
        database: tokio_postgres::Config,
        log: Arc<dyn EventLog>,
        projections: Arc<Projections>,
    ) -> Result<Self, CliError> {
        let began = head(&log).await?;
        Ok(Self { database, log, projections, began })
    }

    /// Watches the read models of a server that runs elsewhere, without leading any.
    async fn connect(config: &Config) -> Result<Self, CliError> {
        let registry = Registry::new();
        let database = runtime::database(config)?;
        let log = runtime::log(config, &database, &registry).await?;
        let feed = Feed::start(Arc::clone(&log))
            .await
            .map_err(|error| CliError::unavailable("the log cannot be followed").because(&error))?;
        let metrics = projections::Metrics::register(&registry)
            .map_err(|error| CliError::failed("metrics").because(&error))?;
        let all = projections::registry();
        let projections = Projections::start(&database, &Arc::new(feed), all, &metrics, false);
        Self::new(database, log, Arc::new(projections)).await
    }

    /// Waits until every read model shows everything that the log holds.
    ///
    /// # Errors
    /// When one does not come so far.
    pub async fn abreast(&self) -> Result<(), CliError> {
        let Some(head) = head(&self.log).await? else { return Ok(()) };
        self.projections.wait_for_all(head, ABREAST_WAIT_MAX).await.map_err(|error| {
            CliError::check_failed(format!("a read model does not reach position {head}")).because(&error)
        })
    }

    /// Where each read model is.
    pub fn positions(&self) -> Vec<(&'static str, Option<Position>)> {
        self.projections.progress().into_iter().map(|(name, progress)| (name, progress.position)).collect()
    }

    /// How many events were recorded since the play began.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn events(&self) -> Result<u64, CliError> {
        let (mut after, mut events) = (self.began, 0);
        loop {
            let page = self.log.read_all(after, PAGE_EVENTS, &ReadFilter::all()).await;
            let page =
                page.map_err(|error| CliError::unavailable("the log cannot be read").because(&error))?;
            let Some(last) = page.last() else { return Ok(events) };
            after = Some(last.position);
            events += u64::try_from(page.len()).unwrap_or(u64::MAX);
        }
    }
}

async fn head(log: &Arc<dyn EventLog>) -> Result<Option<Position>, CliError> {
    let head = log.head().await;
    Ok(head.map_err(|error| CliError::unavailable("the log cannot be read").because(&error))?.position)
}
