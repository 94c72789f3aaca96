//! Connections to PostgreSQL, each in the role of its part of the product.

mod config;
mod tls;

use std::fmt;

use deadpool_postgres::{Manager, ManagerConfig, Pool, PoolBuilder, RecyclingMethod, Runtime};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::{AsyncMessage, Client, Connection, Error, NoTls};

pub use config::{Config, ConfigError};

/// A role inside the database: what a part of the product may do there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The write side: appends to the log, keeps reservations and keys.
    App,
    /// Owns and fills the read models.
    Projector,
    /// Queries, under row-level security.
    Reader,
}

impl Role {
    /// Every role.
    pub const ALL: &'static [Role] = &[Role::App, Role::Projector, Role::Reader];

    /// Its name in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Role::App => "envoi_app",
            Role::Projector => "envoi_projector",
            Role::Reader => "envoi_reader",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The same connection in another role.
pub fn in_role(config: &Config, role: Role) -> Config {
    with_options(config, &format!("-c role={role}"))
}

/// The same connection with more server options.
pub fn with_options(config: &Config, more: &str) -> Config {
    let mut config = config.clone();
    let options = match config.get_options() {
        Some(present) => format!("{present} {more}"),
        None => more.to_owned(),
    };
    config.options(options);
    config
}

/// A pool of at most `size` connections in a role. Nothing is connected yet.
///
/// # Errors
/// When `size` is zero.
pub fn pool(config: &Config, role: Role, size: usize) -> Result<Pool, deadpool_postgres::BuildError> {
    pool_builder(config, role, size).build()
}

/// The same before it is built, for those who set more.
pub fn pool_builder(config: &Config, role: Role, size: usize) -> PoolBuilder {
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let connection = tokio_postgres::Config::clone(&in_role(config, role));
    let manager = match &config.tls {
        None => Manager::from_config(connection, NoTls, recycling),
        Some(tls) => Manager::from_config(connection, tls.clone(), recycling),
    };
    Pool::builder(manager).max_size(size).runtime(Runtime::Tokio1)
}

/// A connection of its own, kept alive by a task until the client is dropped.
///
/// # Errors
/// When the server cannot be reached or refuses.
pub async fn connect(config: &Config) -> Result<Client, Error> {
    let (client, mut messages) = open(config).await?;
    tokio::spawn(async move {
        while let Some(message) = messages.next().await {
            if let Err(error) = message {
                tracing::debug!(%error, "a connection to PostgreSQL ended");
                return;
            }
        }
    });
    Ok(client)
}

/// What the server sends by itself. The connection works only while this is read.
pub(crate) type Messages = BoxStream<'static, Result<AsyncMessage, Error>>;

/// A connection of its own, kept alive by whoever reads its messages.
pub(crate) async fn open(config: &Config) -> Result<(Client, Messages), Error> {
    match &config.tls {
        None => config.connect(NoTls).await.map(|(client, connection)| (client, messages(connection))),
        Some(tls) => {
            config.connect(tls.clone()).await.map(|(client, connection)| (client, messages(connection)))
        }
    }
}

fn messages<S, T>(mut connection: Connection<S, T>) -> Messages
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    stream::poll_fn(move |context| connection.poll_message(context)).boxed()
}
