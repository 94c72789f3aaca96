//! A double of an EventStoreDB server: its protocol over gRPC and its semantics, in memory.
//!
//! Guarantees: what it answers is what EventStoreDB 23.10 answers, as far as it goes: appends with expectations and their
//! idempotency, reads and subscriptions of streams and of `$all`, positions that are byte offsets, events of the
//! server's own, soft-deleted and tombstoned streams, the largest append, leaders and followers, credentials, TLS,
//! deadlines. It can be made to fail as a network and a server fail ([`Faults`]).
//!
//! It keeps nothing: a log lives as long as its [`Double`], over [`Double::stop`] and [`Double::start_again`].
//!
//! It knows nothing of this product, and deliberately less than the real server: no batch append, no persistent
//! subscriptions, no projections, no links (`resolve_links` changes nothing), no access lists, no scavenging. Of a
//! stream's metadata only what its own deletions write counts. A position that lies between two records reads from the
//! record behind it, where the real server may refuse it.
//!
//! # Add a call
//!
//! 1. Its messages go into `protos/`, as published.
//! 2. What it does to the log is a method of `Log`, under the lock and without waiting.
//! 3. Its handler goes into `streams.rs` (writes) or `reading.rs` (reads), its path into `server.rs`.
//! 4. A test under `tests/` asks for it with the real client.

// A status is what every call answers with; boxing it would only hide its size.
#![allow(clippy::result_large_err)]

mod cluster;
mod codec;
mod event;
mod faults;
mod filter;
mod log;
mod node;
mod proto;
mod reading;
mod server;
mod status;
mod streams;
mod tls;

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::cluster::Cluster;
pub use crate::cluster::MemberState;
use crate::faults::Switches;
pub use crate::faults::{AppendFault, Faults};
use crate::log::Log;
use crate::node::Node;
pub use crate::tls::TlsIdentity;

/// The largest append of a server that is not told another.
pub const DEFAULT_MAX_APPEND_BYTES: u64 = 1_048_576;

/// Event ids that are remembered for appends without an exact expectation: about what fits the real server's cache.
const DEFAULT_REMEMBERED_IDS: usize = 65_536;

/// What a double is like.
#[derive(Clone, Debug)]
pub struct DoubleConfig {
    /// Where it listens; port 0 takes a free one. The nodes of a cluster take free ones.
    pub listen: SocketAddr,
    /// The largest append, in bytes of types, metadata and data.
    pub max_append_bytes: u64,
    /// The one user that is let in, and its password; everybody when there is none.
    pub credentials: Option<(String, String)>,
    /// The certificate it shows; plain HTTP/2 when there is none.
    pub tls: Option<TlsIdentity>,
    /// Whether it begins with the events that a new server writes.
    pub system_events: bool,
    /// How many event ids it remembers for appends that expect any revision.
    pub remembered_ids: usize,
    /// Whether a filtered subscription gets a checkpoint when it caught up; early versions of 23.10 send none there.
    pub checkpoint_when_caught_up: bool,
}

impl Default for DoubleConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            max_append_bytes: DEFAULT_MAX_APPEND_BYTES,
            credentials: None,
            tls: None,
            system_events: true,
            remembered_ids: DEFAULT_REMEMBERED_IDS,
            checkpoint_when_caught_up: true,
        }
    }
}

/// A double that could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port is not to be had.
    #[error("listen on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The certificate or its key cannot be used.
    #[error("use the certificate")]
    Certificate(#[source] Box<dyn Error + Send + Sync>),
}

/// A running server. It ends when it is dropped.
pub struct Double {
    node: Arc<Node>,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    accepting: Option<JoinHandle<()>>,
}

impl Double {
    /// Starts one server with an empty log.
    ///
    /// # Errors
    ///
    /// [`StartError`] when the port or the certificate cannot be used.
    pub async fn start(config: DoubleConfig) -> Result<Self, StartError> {
        let listener = listen(config.listen).await?;
        let mut doubles = Self::serve(&config, vec![listener])?;
        doubles
            .pop()
            .ok_or(StartError::Listen { address: config.listen, source: std::io::ErrorKind::Other.into() })
    }

    /// Starts a cluster over one empty log; the first node leads.
    ///
    /// # Errors
    ///
    /// [`StartError`] when a port or the certificate cannot be used.
    pub async fn start_cluster(config: DoubleConfig, nodes: usize) -> Result<Vec<Self>, StartError> {
        let mut listeners = Vec::new();
        for _ in 0..nodes {
            listeners.push(listen(SocketAddr::new(config.listen.ip(), 0)).await?);
        }
        Self::serve(&config, listeners)
    }

    fn serve(
        config: &DoubleConfig,
        listeners: Vec<(TcpListener, SocketAddr)>,
    ) -> Result<Vec<Self>, StartError> {
        let tls = config.tls.as_ref().map(TlsIdentity::acceptor).transpose()?;
        let log = Arc::new(Log::new(config.remembered_ids));
        if config.system_events {
            log.write_first_events();
        }
        let ends = listeners.iter().map(|(_, address)| (address.ip().to_string(), address.port())).collect();
        let cluster = Arc::new(Cluster::new(ends));
        let doubles = listeners.into_iter().enumerate().map(|(index, (listener, address))| {
            let node = Arc::new(Node {
                log: Arc::clone(&log),
                cluster: Arc::clone(&cluster),
                index,
                switches: Switches::new(),
                max_append_bytes: config.max_append_bytes,
                checkpoint_when_caught_up: config.checkpoint_when_caught_up,
                authorization: config
                    .credentials
                    .as_ref()
                    .map(|(user, password)| node::basic_authorization(user, password)),
            });
            let accepting = Some(tokio::spawn(server::accept(listener, Arc::clone(&node), tls.clone())));
            Self { node, address, tls: tls.clone(), accepting }
        });
        Ok(doubles.collect())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The connection string of this server alone, without credentials.
    pub fn url(&self) -> String {
        cluster_url(std::slice::from_ref(self))
    }

    /// The connection string with credentials in it.
    pub fn url_as(&self, user: &str, password: &str) -> String {
        format!("esdb://{user}:{password}@{}?tls={}", self.address, self.tls.is_some())
    }

    /// What makes it fail.
    pub fn faults(&self) -> Faults {
        Faults::new(Arc::clone(&self.node))
    }

    /// Goes down: takes no connection, drops those there are, and comes back when they are gone.
    pub async fn stop(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
            // It was aborted; the listener is closed when it has ended.
            let _ = accepting.await;
        }
        self.node.cluster.set_alive(self.node.index, false);
        self.node.switches.drop_connections();
        // The sender lives in the node.
        let _ = self.node.switches.open_connections.subscribe().wait_for(|open| *open == 0).await;
    }

    /// Comes up again where it was, with the log it had.
    ///
    /// # Errors
    ///
    /// [`StartError::Listen`] when another process took the port.
    pub async fn start_again(&mut self) -> Result<(), StartError> {
        if self.accepting.is_none() {
            let (listener, _) = listen(self.address).await?;
            self.node.cluster.set_alive(self.node.index, true);
            let accept = server::accept(listener, Arc::clone(&self.node), self.tls.clone());
            self.accepting = Some(tokio::spawn(accept));
        }
        Ok(())
    }
}

impl std::fmt::Debug for Double {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Double").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
        }
        self.node.switches.drop_connections();
    }
}

/// The connection string of all these servers together, without credentials.
pub fn cluster_url(doubles: &[Double]) -> String {
    let hosts: Vec<String> = doubles.iter().map(|double| double.address.to_string()).collect();
    let tls = doubles.first().is_some_and(|double| double.tls.is_some());
    format!("esdb://{}?tls={tls}", hosts.join(","))
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let refused = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    Ok((listener, address))
}
