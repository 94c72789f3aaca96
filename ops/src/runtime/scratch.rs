//! A private installation for a while: what benches and the demo run on.

use std::net::SocketAddr;

use tempfile::TempDir;

use super::Backend;
use super::engine;
use super::private::Private;
use crate::cli::CliError;
use crate::config::{Confidential, Config};

/// Which log a private installation is given.
#[derive(Clone, Debug)]
pub struct LogChoice {
    log: Confidential,
    stream_prefix: String,
}

impl LogChoice {
    /// As configured.
    pub fn of(config: &Config) -> Self {
        Self { log: config.log.clone(), stream_prefix: config.log_stream_prefix.clone() }
    }

    /// The engine that a connection string names; without one the log is in the private PostgreSQL.
    pub fn named(url: Option<&str>) -> Self {
        let log = url.unwrap_or(engine::POSTGRES).into();
        Self { log, ..Self::of(&Config::default()) }
    }

    /// Whether the log is in the private PostgreSQL, and goes with it.
    pub fn is_private(&self) -> bool {
        &*self.log == engine::POSTGRES
    }
}

/// A private installation in a temporary directory, gone when it is dropped after [`Scratch::remove`].
pub struct Scratch {
    private: Private,
    directory: TempDir,
    log: LogChoice,
}

impl Scratch {
    /// Starts PostgreSQL and migrates. On a server that outlives it the log has streams of its own, which stay.
    ///
    /// # Errors
    /// When PostgreSQL does not start, or the log cannot be used.
    pub async fn start(log: &LogChoice) -> Result<Self, CliError> {
        let stream_prefix = format!("{}scratch_{}.", log.stream_prefix, random_name()?);
        let log = LogChoice { log: log.log.clone(), stream_prefix };
        let directory = tempfile::Builder::new()
            .prefix("envoi-scratch-")
            .tempdir_in("/var/tmp")
            .map_err(|error| CliError::failed("a temporary directory").because(&error))?;
        // PostgreSQL may run as another user, who has to get through.
        open_to_others(directory.path())?;
        let private = Private::start(&directory.path().join("envoi")).await?;
        Ok(Self { private, directory, log })
    }

    /// The installation.
    pub fn private(&self) -> &Private {
        &self.private
    }

    /// A configuration over it on free ports, without rate limits: the generator is one address.
    pub fn configuration(&self) -> Config {
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut config = self.private.configuration(Config::default(), free, free);
        config.log = self.log.log.clone();
        config.log_stream_prefix = self.log.stream_prefix.clone();
        config.server.rate_limits = false;
        config.server.drain_seconds = 0;
        config.telemetry.filter = "error".to_owned();
        config
    }

    /// Everything behind the edge, without an edge.
    ///
    /// # Errors
    /// As [`Backend::connect`].
    pub async fn backend(&self) -> Result<Backend, CliError> {
        Backend::connect(&self.configuration()).await
    }

    /// Stops PostgreSQL and removes everything.
    ///
    /// # Errors
    /// When PostgreSQL does not stop.
    pub async fn remove(self) -> Result<(), CliError> {
        self.private.destroy().await?;
        self.directory
            .close()
            .map_err(|error| CliError::failed("removing the temporary directory").because(&error))
    }
}

fn open_to_others(directory: &std::path::Path) -> Result<(), CliError> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o711))
        .map_err(|error| CliError::failed("the temporary directory").because(&error))
}

/// 64 random bits, in letters that names of all kinds may have.
///
/// # Errors
/// When the operating system gives none.
pub fn random_name() -> Result<String, CliError> {
    let mut bytes = [0u8; 8];
    getrandom::fill(&mut bytes).map_err(|error| CliError::failed(format!("no randomness: {error}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
