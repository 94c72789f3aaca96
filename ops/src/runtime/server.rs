//! A running server: the roles that one process plays.

use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;

use api::server::Listen;
use commands::reactions::{self, Reactions};
use eventstore_schema::database::{self, Role as DatabaseRole};
use eventstore_schema::keyring::Secret;
use projections::{Feed, Projections, ReadModels};

use super::Backend;
use super::files::{self, Room};
use crate::cli::CliError;
use crate::config::Config;

/// What a process does. Any number of processes may play any of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Answers clients: HTTP and WebSocket.
    Api,
    /// Folds the log into the read models; one process leads each.
    Projector,
    /// Follows events with commands and e-mails; one process leads each reaction.
    Reactor,
}

impl Role {
    /// Every role.
    pub const ALL: &'static [Role] = &[Role::Api, Role::Projector, Role::Reactor];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Role::Api => "api",
            Role::Projector => "projector",
            Role::Reactor => "reactor",
        }
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Role::ALL.iter().find(|role| role.name() == name);
        found.copied().ok_or_else(|| {
            let known: Vec<&str> = Role::ALL.iter().map(|role| role.name()).collect();
            format!("there is no role {name}; roles are {}", known.join(", "))
        })
    }
}

/// A server that runs until it is stopped or dropped.
pub struct Server {
    /// What it is made of.
    pub backend: Backend,
    /// The read models as this process sees them.
    pub projections: Arc<Projections>,
    edge: api::server::Running,
    reactions: Option<reactions::Running>,
    _revocations: commands::auth::revocations::Follower,
    _keys: commands::auth::signing_keys::KeyFollower,
    _watch: Option<super::standing::Watch>,
    _counting: eventstore_schema::keyring::KeyCounting,
}

impl Server {
    /// Connects everything and starts the roles.
    ///
    /// # Errors
    /// Each names what cannot be reached and what to do.
    pub async fn start(config: &Config, roles: &[Role]) -> Result<Self, CliError> {
        let room = room(config, roles)?;
        let mut backend = Backend::connect(config).await?;
        let watch = backend.watch()?;
        let counting = backend.key_metrics.follow(Arc::clone(&backend.keyring));
        let feed = Feed::start(Arc::clone(&backend.log))
            .await
            .map_err(|error| CliError::unavailable("the log cannot be followed").because(&error))?;
        let feed = Arc::new(feed);
        let auth = &backend.parts.auth;
        let (clock, measures) = (backend.parts.clock.clone(), backend.parts.metrics.clone());
        let revocations = auth.revocations.follow(Arc::clone(&backend.log), clock, measures);
        let keys = auth.tokens.follow(Arc::clone(&backend.keyring));
        let metrics = projections::Metrics::register(&backend.registry)
            .map_err(|error| CliError::failed("metrics").because(&error))?;
        let leases = roles.contains(&Role::Projector).then_some(&backend.parts.leases);
        let projectors = projections::registry();
        let projections = Projections::start(&backend.database, &feed, projectors, &metrics, leases);
        let projections = Arc::new(projections);
        let reactions = roles.contains(&Role::Reactor).then(|| {
            let all = reactions::all(&backend.services, &backend.parts);
            Reactions::new(all, backend.parts.clone()).start()
        });
        let public = roles.contains(&Role::Api).then_some(config.server.listen);
        let edge = edge(config, (public, room), &backend, &feed, &projections).await?;
        Ok(Self {
            backend,
            projections,
            edge,
            reactions,
            _revocations: revocations,
            _keys: keys,
            _watch: watch,
            _counting: counting,
        })
    }

    /// Where clients reach it; none without the role [`Role::Api`].
    pub fn public(&self) -> Option<SocketAddr> {
        self.edge.public
    }

    /// Where operators reach it.
    pub fn internal(&self) -> SocketAddr {
        self.edge.internal
    }

    /// Says from now on that it is not ready; it answers on.
    pub fn drain(&self) {
        self.edge.drain();
    }

    /// Stops it: requests in progress are finished, reactions finish their event.
    pub async fn stop(self) {
        self.edge.stop().await;
        if let Some(reactions) = self.reactions {
            reactions.stop().await;
        }
        self.backend.services.accounts.end().await;
        self.backend.services.conversations.end().await;
        self.backend.services.executor.idle().await;
    }
}

/// Listens: for operators in every role, so that each can be watched; for clients at `public`.
async fn edge(
    config: &Config,
    (public, room): (Option<SocketAddr>, Room),
    backend: &Backend,
    feed: &Arc<Feed>,
    projections: &Arc<Projections>,
) -> Result<api::server::Running, CliError> {
    let secret = async |name: Secret| {
        let unavailable = |error| CliError::unavailable("the keyring cannot be read").because(&error);
        backend.keyring.named_secret(name).await.map_err(unavailable)
    };
    let reading = database::pool(&backend.database, DatabaseRole::Reader, config.database.read_connections)
        .map_err(|error| CliError::usage("the pool for queries").because(&error))?;
    let pools = vec![("write", backend.parts.pool.clone()), ("read", reading.clone())];
    database::show_pools(&backend.registry, pools)
        .map_err(|error| CliError::failed("metrics").because(&error))?;
    let head = backend
        .log
        .head()
        .await
        .map_err(|error| CliError::unavailable("the log cannot be read").because(&error))?;
    let metrics =
        api::Metrics::new(&backend.registry).map_err(|error| CliError::failed("metrics").because(&error))?;
    let live = api::Live::start(Arc::clone(feed), &backend.parts.clock, &metrics)
        .await
        .map_err(|error| CliError::unavailable("the log cannot be read").because(&error))?
        .with_sockets_max(room.sockets);
    let read_models = ReadModels::new(reading);
    let names = (read_models.clone(), Arc::clone(projections), Arc::clone(&backend.sealer));
    let people = api::People::start(feed, head.position, names);
    let state = api::state::State {
        clock: backend.parts.clock.clone(),
        services: backend.services.clone(),
        sealer: Arc::clone(&backend.sealer),
        read_models,
        projections: Arc::clone(projections),
        live,
        people,
        auth: Arc::clone(&backend.parts.auth),
        leases: backend.parts.leases.clone(),
        findings: api::health::Findings::default(),
        cursors: api::Cursors::new(&*secret(Secret::PositionSealing).await?),
        incarnation: head.incarnation,
        rates: config.server.rate_limits.then(|| rates(&config.server)),
        metrics,
        registry: backend.registry.clone(),
        proxies: super::proxies(config)?,
    };
    let server = &config.server;
    let origins = server.cors_origins.to_vec();
    let (workers, connections) = (server.workers, room.connections);
    let listen = Listen { public, internal: server.metrics_listen, workers, connections, origins };
    api::server::start(&listen, Arc::new(state)).map_err(|error| {
        let public = listen.public.map(|address| format!("{address} and ")).unwrap_or_default();
        CliError::usage(format!("cannot listen on {public}{}", listen.internal))
            .because(&error)
            .hint("is another server running? set server.listen and server.metrics_listen")
    })
}

/// Raises the limit of open files; what that gives room for.
fn room(config: &Config, roles: &[Role]) -> Result<Room, CliError> {
    let files = files::raise()?;
    let room = Room::within(files, config, roles)?;
    if roles.contains(&Role::Api) && !room.is_full() {
        // The doctor warns of it: whether so many are ever wanted, nobody knows here.
        tracing::info!("{}; {}", room.shortage(files, config), files::MEND);
    }
    Ok(room)
}

/// At once, as many requests as a client may make in so many seconds.
const BURST_SECONDS: u32 = 10;

fn rates(server: &crate::config::Server) -> api::Rates {
    let rate = |per_second: u32| api::Rate::new(per_second, per_second.saturating_mul(BURST_SECONDS));
    api::Rates::new(rate(server.account_requests_per_second), rate(server.address_requests_per_second))
}
