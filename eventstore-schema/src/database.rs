//! Connections to PostgreSQL, each in the role of its part of the product.

mod config;
mod figures;
mod pool;
mod tls;

use std::fmt;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::error::SqlState;
use tokio_postgres::{AsyncMessage, Client, Error, NoTls};

pub use config::{Config, ConfigError};
pub use deadpool_postgres::PoolError;
pub use figures::show_pools;
pub use pool::{Connection, Pool, PoolOptions};

/// How long connecting may take.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(2);
/// How long sent bytes may go unacknowledged (TCP_USER_TIMEOUT, RFC 5482) before a connection counts as lost.
const TCP_TIMEOUT: Duration = Duration::from_secs(10);
/// After how long without traffic the peer is asked whether it is there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(4);
/// How long it is given to answer, each time.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);
/// How often it is asked before the connection counts as lost.
const KEEPALIVE_RETRIES: u32 = 3;

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

/// A pool of at most `size` connections in a role, for requests and reactions. Nothing is connected yet.
///
/// # Errors
/// When `size` is zero, or outside a Tokio runtime.
pub fn pool(config: &Config, role: Role, size: usize) -> Result<Pool, deadpool_postgres::BuildError> {
    Pool::new(config, role, PoolOptions::of_size(size))
}

/// What every connection has unless its configuration says otherwise: a server or a path to it that is gone is noticed in
/// seconds, and no query is compiled, which costs more than any of ours runs.
fn with_defaults(config: &Config) -> Config {
    let mut config = with_options(config, "-c jit=off");
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_WAIT_MAX);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(TCP_TIMEOUT);
    }
    config.keepalives(true).keepalives_idle(KEEPALIVE_IDLE);
    if config.get_keepalives_interval().is_none() {
        config.keepalives_interval(KEEPALIVE_INTERVAL).keepalives_retries(KEEPALIVE_RETRIES);
    }
    config
}

/// Whether a statement that failed so may succeed when it is sent again.
pub fn is_transient(error: &Error) -> bool {
    error.code().is_none_or(is_passing)
}

/// Whether the server has nothing against the statement itself: the connection was lost (class 08), the transaction was undone for
/// another's sake (40) or for its idleness (25P03), something is in use (55), or the server stops, starts, lacks room (53, 57, 58)
/// or is a read-only standby now (25006). PostgreSQL manual, appendix A.
pub(crate) fn is_passing(code: &SqlState) -> bool {
    let class = code.code().get(..2).unwrap_or_default();
    let is_session =
        [SqlState::READ_ONLY_SQL_TRANSACTION, SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT].contains(code);
    matches!(class, "08" | "40" | "53" | "55" | "57" | "58") || is_session
}

/// A connection of its own, kept alive by a task until the client is dropped.
///
/// # Errors
/// When the server cannot be reached or refuses.
pub async fn connect(config: &Config) -> Result<Client, Error> {
    let (client, messages) = open(config).await?;
    tokio::spawn(worked(messages));
    Ok(client)
}

/// Works a connection until it ends.
async fn worked(mut messages: Messages) {
    while let Some(message) = messages.next().await {
        if let Err(error) = message {
            tracing::debug!(%error, "a connection to PostgreSQL ended");
            return;
        }
    }
}

/// What the server sends by itself. The connection works only while this is read.
pub(crate) type Messages = BoxStream<'static, Result<AsyncMessage, Error>>;

/// A connection of its own, kept alive by whoever reads its messages.
pub(crate) async fn open(config: &Config) -> Result<(Client, Messages), Error> {
    let config = &with_defaults(config);
    match &config.tls {
        None => config.connect(NoTls).await.map(|(client, connection)| (client, messages(connection))),
        Some(tls) => {
            config.connect(tls.clone()).await.map(|(client, connection)| (client, messages(connection)))
        }
    }
}

fn messages<S, T>(mut connection: tokio_postgres::Connection<S, T>) -> Messages
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    stream::poll_fn(move |context| connection.poll_message(context)).boxed()
}
