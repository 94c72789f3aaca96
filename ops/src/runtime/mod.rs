//! Puts the parts together: from a configuration to a log, keys, services and read models.

pub mod engine;
pub mod files;
pub mod people;
pub mod private;
pub mod rights;
pub mod schema;
pub mod scratch;
pub mod server;
pub mod standing;

use std::path::Path;
use std::sync::Arc;

use commands::auth::Auth;
use commands::clock::Clock;
use commands::mail::Mailer;
use commands::{Parts, Services};
use eventstore_schema::database::{self, Role};
use eventstore_schema::keyring::{KeyMetrics, RootKeyFile};
use eventstore_schema::lease::Leases;

use eventstore_schema::{EventLog, GuardedLog, Keyring, Refusal, Sealer};
use prometheus::process_collector::ProcessCollector;
use prometheus::{IntGauge, Opts, Registry};
use tokio::sync::watch;

use crate::cli::CliError;
use crate::config::Config;

/// Everything behind the edge, connected.
pub struct Backend {
    /// How to connect to PostgreSQL.
    pub database: database::Config,
    /// The log.
    pub log: Arc<dyn EventLog>,
    /// Keys at rest.
    pub keyring: Arc<Keyring>,
    /// Seals and opens what is personal.
    pub sealer: Arc<Sealer>,
    /// What the services are made of.
    pub parts: Parts,
    /// Everything that can be done.
    pub services: Services,
    /// All metrics of the process.
    pub registry: Registry,
    /// Those of keys.
    pub key_metrics: KeyMetrics,
    /// What is known of the log, and whom that is told, until somebody watches.
    standing: Option<(standing::Standing, watch::Sender<Refusal>)>,
}

/// How to connect to the configured PostgreSQL.
///
/// # Errors
/// When no URL is configured, or it is malformed.
pub fn database(config: &Config) -> Result<database::Config, CliError> {
    if config.database.url.is_empty() {
        return Err(CliError::usage("no database is configured")
            .hint("set `database.url` or ENVOI_DATABASE_URL; `envoi dev` brings a private one"));
    }
    connection(config, "database.url", &config.database.url)
}

/// A configuration by which everything is done as the owner of the database.
pub fn as_owner(mut config: Config) -> Config {
    if !config.database.migrate_url.is_empty() {
        config.database.url = config.database.migrate_url.clone();
    }
    config
}

/// How to connect to it as the owner of the database, to migrate.
///
/// # Errors
/// As [`database`].
pub fn owned_database(config: &Config) -> Result<database::Config, CliError> {
    match config.database.migrate_url.is_empty() {
        true => database(config),
        false => connection(config, "database.migrate_url", &config.database.migrate_url),
    }
}

fn connection(config: &Config, key: &str, url: &str) -> Result<database::Config, CliError> {
    let roots = roots("database.tls_root_file", &config.database.tls_root_file)?;
    database::Config::parse(url, roots.as_deref()).map_err(|error| {
        CliError::usage(format!("`{key}` cannot be used"))
            .because(&error)
            .hint("postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full, or key=value pairs")
    })
}

/// What hands e-mails over. Nothing is connected yet.
///
/// # Errors
/// When what is configured cannot be used.
pub fn mailer(config: &Config) -> Result<Mailer, CliError> {
    let roots = roots("mail.tls_root_file", &config.mail.tls_root_file)?;
    Mailer::open(&config.mail.transport, &config.mail.from, roots.as_deref()).map_err(|error| {
        CliError::usage("e-mails cannot be sent").because(&error).hint("see `mail` in the configuration")
    })
}

/// Whose word is taken for where requests come from.
///
/// # Errors
/// When proxies are trusted in two ways.
pub fn proxies(config: &Config) -> Result<api::Proxies, CliError> {
    let server = &config.server;
    match (server.trust_proxy, server.trusted_proxies.is_empty()) {
        (true, false) => Err(CliError::usage("`server.trust_proxy` and `server.trusted_proxies` are both set")
            .hint("keep `server.trusted_proxies`, with the addresses of all proxies, and remove `server.trust_proxy`")),
        (true, true) => Ok(api::Proxies::peer(server.forwarded_header)),
        (false, _) => {
            Ok(api::Proxies::within(server.trusted_proxies.iter().copied(), server.forwarded_header))
        }
    }
}

/// Checks what a configuration says beyond its form, without connecting or making anything.
///
/// # Errors
/// See [`engine::check`], [`proxies`], [`database`] and [`mailer`]. A configuration without a database passes: it may come with a variable.
pub fn check(config: &Config) -> Result<(), CliError> {
    engine::check(config)?;
    proxies(config)?;
    if !config.database.url.is_empty() {
        database(config)?;
    }
    if !config.database.migrate_url.is_empty() {
        owned_database(config)?;
    }
    if !config.mail.transport.starts_with("file:") {
        mailer(config)?;
    }
    Ok(())
}

/// The root certificates of a configured file; none for the platform's.
fn roots(key: &str, path: &Path) -> Result<Option<Vec<u8>>, CliError> {
    if path.as_os_str().is_empty() {
        return Ok(None);
    }
    let unreadable =
        |error| CliError::usage(format!("`{key}`: {} cannot be read", path.display())).because(&error);
    std::fs::read(path).map(Some).map_err(unreadable)
}

/// Metrics of the process itself: which release it is, and what it takes of the machine.
fn registry() -> Result<Registry, prometheus::Error> {
    let registry = Registry::new();
    let opts = Opts::new("envoi_build_info", "Always 1; the release is its label.");
    let build = IntGauge::with_opts(opts.const_label("version", env!("CARGO_PKG_VERSION")))?;
    build.set(1);
    registry.register(Box::new(build))?;
    registry.register(Box::new(ProcessCollector::for_self()))?;
    Ok(registry)
}

impl Backend {
    /// Connects everything. The database must have been migrated, the root key file must be there.
    ///
    /// # Errors
    /// Each names what cannot be reached and what to do.
    pub async fn connect(config: &Config) -> Result<Self, CliError> {
        let registry = registry().map_err(|error| CliError::failed("metrics").because(&error))?;
        let database = database(config)?;
        rights::check(&database).await?;
        schema::check(&database).await?;
        let found = engine::open(config, &database, &registry).await?;
        let pool = database::pool(&database, Role::App, config.database.write_connections)
            .map_err(|error| CliError::usage("the pool of the write side").because(&error))?;
        let mut standing = standing::Standing::new(Arc::clone(&found), pool.clone(), &database)?;
        let refusal = watch::Sender::new(None);
        let log: Arc<dyn EventLog> = Arc::new(GuardedLog::new(found, refusal.subscribe()));
        let refused = standing.look().await.map_err(|error| {
            CliError::unavailable("whether the log is the right one cannot be told").because(&error)
        })?;
        standing::tell(&refusal, refused.map(Arc::from));
        let path = &config.keys.root_key_file;
        let root = RootKeyFile::open(path).map_err(|error| {
            CliError::usage(format!("the root key {} cannot be used", path.display())).because(&error).hint(
                "`envoi keys create-root` makes one; a restored database needs the one it was made under",
            )
        })?;
        let keyring = Keyring::open(pool.clone(), Arc::new(root))
            .await
            .map_err(|error| CliError::unavailable("the keyring cannot be opened").because(&error))?;
        let keyring = Arc::new(keyring);
        let measured =
            KeyMetrics::register(&registry).map_err(|error| CliError::failed("metrics").because(&error))?;
        let sealer = Arc::new(Sealer::new(Arc::clone(&keyring)).measured(measured.clone()));
        let metrics = commands::metrics::Metrics::register(&registry)
            .map_err(|error| CliError::failed("metrics").because(&error))?;
        let clock = Clock::system();
        let auth = Auth::open(&keyring, &clock, &config.server.public_url, Arc::new(mailer(config)?))
            .await
            .map_err(|error| CliError::unavailable("nobody can be authenticated").because(&error))?;
        let parts = Parts {
            log: Arc::clone(&log),
            sealer: Arc::clone(&sealer),
            pool,
            clock,
            metrics,
            auth: Arc::new(auth),
            leases: Leases::start(&database),
        };
        let services = Services::new(&parts);
        let standing = Some((standing, refusal));
        Ok(Self {
            database,
            log,
            keyring,
            sealer,
            parts,
            services,
            registry,
            key_metrics: measured,
            standing,
        })
    }

    /// Goes on looking whether the log is the one that the installation knows, until what is given is dropped. Whoever does not
    /// has looked once.
    ///
    /// # Errors
    /// When the metric cannot be registered.
    pub fn watch(&mut self) -> Result<Option<standing::Watch>, CliError> {
        let Some((standing, refusal)) = self.standing.take() else { return Ok(None) };
        standing::Watch::start(standing, refusal, &self.registry).map(Some)
    }
}

/// Brings every part of the database to the form of this release.
///
/// # Errors
/// When the database cannot be reached or a migration fails; it is rolled back then.
pub async fn migrate(database: &database::Config) -> Result<(), CliError> {
    let unreachable = |error: &tokio_postgres::Error| {
        CliError::unavailable("the database cannot be reached")
            .because(error)
            .hint("check `database.migrate_url` and `database.url`")
    };
    let mut client =
        eventstore_schema::database::connect(database).await.map_err(|error| unreachable(&error))?;
    let failed = |error: &eventstore_schema::MigrateError| {
        match error {
        eventstore_schema::MigrateError::Foreign { .. } => {
            CliError::failed("this database cannot be brought to this version").because(error).hint(
                "before the first release there are no upgrades: make a new database and run `envoi migrate` on it",
            )
        }
        _ => CliError::failed("the database could not be migrated; nothing of the failed step remains")
            .because(error),
    }
    };
    eventstore_schema::migrate(&mut client).await.map_err(|error| failed(&error))?;
    commands::migrate(&mut client).await.map_err(|error| failed(&error))?;
    projections::migrate(&mut client).await.map_err(|error| failed(&error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_trusted_in_one_way() {
        let mut config = Config::default();
        assert!(proxies(&config).is_ok());
        config.server.trust_proxy = true;
        assert!(proxies(&config).is_ok());
        config.server.trusted_proxies = "10.0.0.0/8".parse().unwrap();
        let error = check(&config).unwrap_err();
        assert!(error.message.contains("trusted_proxies"), "{}", error.message);
        config.server.trust_proxy = false;
        assert!(check(&config).is_ok());
    }
}
