//! A private installation in one directory: its own PostgreSQL cluster, root key and mail folder. What `envoi dev`, `demo` and
//! `bench` run on.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use eventstore_schema::cluster::{Cluster, ClusterConfig};
use eventstore_schema::keyring::RootKeyFile;

use crate::cli::CliError;
use crate::config::Config;

const DATABASE: &str = "envoi";

/// A private installation. Dropping it leaves it as it is; see [`Private::stop`] and [`Private::destroy`].
pub struct Private {
    directory: PathBuf,
    cluster: Cluster,
}

impl Private {
    /// Makes what is missing in `directory` and starts its PostgreSQL, durable as in production.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or does not start.
    pub async fn start(directory: &Path) -> Result<Self, CliError> {
        std::fs::create_dir_all(directory).map_err(|error| {
            CliError::usage(format!("{} cannot be made", directory.display())).because(&error)
        })?;
        let directory = directory
            .canonicalize()
            .map_err(|error| CliError::usage(format!("{}", directory.display())).because(&error))?;
        let config = ClusterConfig { durable: true, ..ClusterConfig::new(directory.join("postgres")) };
        let cluster = tokio::task::spawn_blocking(move || Cluster::start(config))
            .await
            .map_err(|error| CliError::failed("starting PostgreSQL").because(&error))?
            .map_err(|error| CliError::unavailable("the private PostgreSQL did not start").because(&error))?;
        cluster
            .ensure_database(DATABASE)
            .await
            .map_err(|error| CliError::unavailable("the private database").because(&error))?;
        super::migrate(&cluster.config(DATABASE)).await?;
        RootKeyFile::open_or_create(&directory.join("root.key"))
            .map_err(|error| CliError::usage("the root key").because(&error))?;
        Ok(Self { directory, cluster })
    }

    /// A configuration over this installation, listening on `listen` and, for operators, `metrics_listen`.
    pub fn configuration(&self, mut base: Config, listen: SocketAddr, metrics_listen: SocketAddr) -> Config {
        base.database.url = self.cluster.url(DATABASE).as_str().into();
        base.keys.root_key_file = self.directory.join("root.key");
        base.mail.transport = format!("file:{}", self.mail_directory().display()).as_str().into();
        base.server.listen = listen;
        base.server.metrics_listen = metrics_listen;
        base.server.public_url = format!("http://{listen}");
        base
    }

    /// Writes the configuration into the directory, for other verbs.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_configuration(&self, config: &Config) -> Result<PathBuf, CliError> {
        let path = self.directory.join("envoi.toml");
        std::fs::write(&path, config.to_toml()).map_err(|error| {
            CliError::failed(format!("{} cannot be written", path.display())).because(&error)
        })?;
        Ok(path)
    }

    /// Where e-mails go.
    pub fn mail_directory(&self) -> PathBuf {
        self.directory.join("mail")
    }

    /// The cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Stops its PostgreSQL; everything stays.
    ///
    /// # Errors
    /// When PostgreSQL does not stop.
    pub async fn stop(self) -> Result<(), CliError> {
        blocking(move || self.cluster.stop()).await
    }

    /// Stops its PostgreSQL and removes the directory.
    ///
    /// # Errors
    /// When PostgreSQL does not stop or the directory cannot be removed.
    pub async fn destroy(self) -> Result<(), CliError> {
        let directory = self.directory.clone();
        blocking(move || self.cluster.destroy()).await?;
        std::fs::remove_dir_all(&directory).map_err(|error| {
            CliError::failed(format!("{} cannot be removed", directory.display())).because(&error)
        })
    }
}

async fn blocking(
    work: impl FnOnce() -> Result<(), eventstore_schema::cluster::ClusterError> + Send + 'static,
) -> Result<(), CliError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| CliError::failed("the private PostgreSQL").because(&error))?
        .map_err(|error| CliError::failed("the private PostgreSQL").because(&error))
}
