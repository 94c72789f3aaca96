//! Where the play takes place: a private installation made for it, or a server that runs already.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use eventstore_schema::{EventLog, Position, ReadFilter};
use projections::{Feed, Projections};
use prometheus::Registry;

use crate::cli::CliError;
use crate::config::Config;
use crate::runtime;
use crate::runtime::people::Entrance;
use crate::runtime::scratch::{LogChoice, Scratch, random_name};
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
    /// Whether its read models are to be built anew.
    pub rebuilds: bool,
}

struct Own {
    scratch: Scratch,
    server: Server,
}

/// The database behind the server.
pub struct Backstage {
    /// How to connect to it.
    pub database: eventstore_schema::database::Config,
    /// The log.
    pub log: Arc<dyn EventLog>,
    projections: Arc<Projections>,
    began: Option<Position>,
}

/// Where the play takes place.
pub struct Stage {
    /// Where people come in.
    pub entrance: Entrance,
    /// Names this run: a server that runs already has seen others.
    pub run: String,
    /// What lies behind, if it can be reached.
    pub backstage: Option<Backstage>,
    /// Whether the read models may be built anew: others may be reading them.
    pub rebuilds: bool,
    own: Option<Own>,
}

impl Stage {
    /// Makes a private installation in a temporary directory, with the log that was chosen, and starts its server.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or anything does not start.
    pub async fn private(log: &LogChoice) -> Result<Self, CliError> {
        let scratch = Scratch::start(log).await?;
        let server = match Server::start(&scratch.configuration(), Role::ALL).await {
            Ok(server) => server,
            Err(error) => {
                scratch.remove().await?;
                return Err(error);
            }
        };
        match Self::over(&scratch, &server).await {
            Ok(stage) => Ok(Self { own: Some(Own { scratch, server }), ..stage }),
            Err(error) => {
                server.stop().await;
                scratch.remove().await?;
                Err(error)
            }
        }
    }

    async fn over(scratch: &Scratch, server: &Server) -> Result<Self, CliError> {
        let address = server.public().ok_or_else(|| CliError::failed("the server answers no clients"))?;
        let (database, log) = (server.backend.database.clone(), Arc::clone(&server.backend.log));
        let backstage = Backstage::new(database, log, Arc::clone(&server.projections)).await?;
        let entrance = Entrance::new(&format!("http://{address}"), &scratch.private().mail_directory())?;
        Ok(Self { entrance, run: random_name()?, backstage: Some(backstage), rebuilds: true, own: None })
    }

    /// Plays on a server that runs already.
    ///
    /// # Errors
    /// When its database is configured and cannot be reached, or is not and is to be rebuilt.
    pub async fn elsewhere(elsewhere: Elsewhere) -> Result<Self, CliError> {
        let Elsewhere { url, mail_directory, config, rebuilds } = elsewhere;
        let backstage = match config.database.url.is_empty() && !rebuilds {
            true => None,
            false => Some(Backstage::connect(&config).await?),
        };
        let entrance = Entrance::new(&url, &mail_directory)?;
        Ok(Self { entrance, run: random_name()?, backstage, rebuilds, own: None })
    }

    /// Stops and removes what was made for the play.
    ///
    /// # Errors
    /// When something of it cannot be removed.
    pub async fn close(self) -> Result<(), CliError> {
        drop(self.backstage);
        let Some(own) = self.own else { return Ok(()) };
        own.server.stop().await;
        own.scratch.remove().await
    }
}

impl Backstage {
    async fn new(
        database: eventstore_schema::database::Config,
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
        let log = runtime::engine::open(config, &database, &registry).await?;
        let feed = Feed::start(Arc::clone(&log))
            .await
            .map_err(|error| CliError::unavailable("the log cannot be followed").because(&error))?;
        let metrics = projections::Metrics::register(&registry)
            .map_err(|error| CliError::failed("metrics").because(&error))?;
        let all = projections::registry();
        let projections = Projections::start(&database, &Arc::new(feed), all, &metrics, None);
        Self::new(database, log, Arc::new(projections)).await
    }

    /// Waits until every read model shows everything that the log holds, and tells up to where that is.
    ///
    /// # Errors
    /// When one does not come so far.
    pub async fn abreast(&self) -> Result<Option<Position>, CliError> {
        let head = head(&self.log).await?;
        if let Some(position) = head {
            self.projections.wait_for_all(position, ABREAST_WAIT_MAX).await.map_err(|error| {
                CliError::check_failed(format!("a read model does not reach position {position}"))
                    .because(&error)
            })?;
        }
        Ok(head)
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
