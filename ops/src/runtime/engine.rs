//! Which engine keeps the log: the one place that knows more than one.

use std::sync::Arc;

use eventstore_schema::{EventLog, PgEventLog, PgLogConfig};
use prometheus::Registry;

use crate::cli::CliError;
use crate::config::Config;

/// The name of the engine in the configuration's database.
pub const POSTGRES: &str = "postgres";

/// What the configuration chooses.
#[allow(clippy::large_enum_variant, reason = "there is one at a time, on its way")]
enum Choice {
    Postgres,
    #[cfg(feature = "eventstoredb")]
    EventStoreDb(Box<eventstore_schema::EsdbSettings>),
}

fn choice(config: &Config) -> Result<Choice, CliError> {
    if &*config.log == POSTGRES {
        return Ok(Choice::Postgres);
    }
    #[cfg(feature = "eventstoredb")]
    if eventstore_schema::EsdbSettings::recognizes(&config.log) {
        return eventstore_schema::EsdbSettings::parse(&config.log)
            .map(|settings| Choice::EventStoreDb(Box::new(settings)))
            .map_err(|error| CliError::usage("`log` cannot be used").because(&error));
    }
    // The text may hold a password: it is not repeated.
    let hint = if cfg!(feature = "eventstoredb") {
        "log = \"postgres\", or log = \"esdb://USER:PASSWORD@HOST:2113,...\""
    } else {
        "log = \"postgres\"; this binary was built without EventStoreDB"
    };
    Err(CliError::usage("`log` names no engine").hint(hint))
}

/// Looks at the choice of an engine without connecting.
///
/// # Errors
/// When there is no such engine, or its connection string cannot be used.
pub fn check(config: &Config) -> Result<(), CliError> {
    choice(config).map(|_| ())
}

/// Connects to the engine that is configured. Before anything else of the process sets up TLS: see
/// `eventstore_schema::EsdbEventLog::connect`.
///
/// # Errors
/// When the engine is unknown or cannot be reached.
pub async fn open(
    config: &Config,
    database: &eventstore_schema::database::Config,
    registry: &Registry,
) -> Result<Arc<dyn EventLog>, CliError> {
    match choice(config)? {
        Choice::Postgres => {
            let log = PgEventLog::connect(PgLogConfig::new(database.clone())).await.map_err(|error| {
                CliError::unavailable("the log cannot be opened")
                    .because(&error)
                    .hint("is PostgreSQL running, and has `envoi migrate` been run?")
            })?;
            log.metrics().register(registry).map_err(|error| CliError::failed("metrics").because(&error))?;
            Ok(Arc::new(log))
        }
        #[cfg(feature = "eventstoredb")]
        Choice::EventStoreDb(settings) => event_store_db(config, database, registry, *settings).await,
    }
}

#[cfg(feature = "eventstoredb")]
async fn event_store_db(
    config: &Config,
    database: &eventstore_schema::database::Config,
    registry: &Registry,
    settings: eventstore_schema::EsdbSettings,
) -> Result<Arc<dyn EventLog>, CliError> {
    use eventstore_schema::database::{self, Role};
    use eventstore_schema::{EsdbEventLog, EsdbLogConfig};

    /// Connections for snapshots.
    const SNAPSHOT_CONNECTIONS: usize = 2;
    let snapshots = database::pool(database, Role::App, SNAPSHOT_CONNECTIONS)
        .map_err(|error| CliError::usage("the pool for snapshots").because(&error))?;
    let nodes = settings.to_string();
    let mut esdb = EsdbLogConfig::new(settings, snapshots);
    esdb.stream_prefix = config.log_stream_prefix.clone();
    let log = EsdbEventLog::connect(esdb).await.map_err(|error| {
        CliError::unavailable(format!("the log at {nodes} cannot be opened"))
            .because(&error)
            .hint("is the cluster running, are the credentials right, does `tls=` match? See runbooks/eventstoredb.md")
    })?;
    log.metrics().register(registry).map_err(|error| CliError::failed("metrics").because(&error))?;
    Ok(Arc::new(log))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(log: &str) -> String {
        let config = Config { log: log.into(), ..Config::default() };
        let error = check(&config).unwrap_err();
        format!("{} {:?} {:?}", error.message, error.causes, error.hint)
    }

    #[test]
    fn an_engine_that_does_not_exist_is_refused_without_repeating_it() {
        assert!(check(&Config::default()).is_ok());
        let text = refusal("mysql://me:hunter2@host");
        assert!(text.contains("names no engine") && !text.contains("hunter2"), "{text}");
    }

    #[cfg(feature = "eventstoredb")]
    #[test]
    fn a_connection_string_is_looked_at_before_anything_starts() {
        let config = Config { log: "esdb://a:2113,b:2113?tls=false".into(), ..Config::default() };
        assert!(check(&config).is_ok());
        let text = refusal("esdb://me:hunter2@host?tlsFile=x");
        assert!(text.contains("tlsFile") && !text.contains("hunter2"), "{text}");
    }
}
