//! `envoi serve`: runs a server over a PostgreSQL of its own operator.

use std::time::Duration;

use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{CliError, Global, telemetry};
use crate::config::Config;
use crate::runtime;
use crate::runtime::server::{Role, Server};

/// How long work in progress may take to finish before the process ends all the same.
const STOP_WAIT_MAX: Duration = Duration::from_secs(30);
/// Pause between attempts to reach PostgreSQL.
const DATABASE_PAUSE: Duration = Duration::from_secs(1);
/// Of how many attempts the first is told.
const DATABASE_ATTEMPTS_TOLD: u32 = 30;

/// Arguments of `envoi serve`.
#[derive(clap::Args)]
pub struct Args {
    /// What this process does, separated by commas.
    #[arg(long, value_delimiter = ',', default_value = "api,projector,reactor")]
    roles: Vec<Role>,
}

/// Runs `envoi serve`.
pub async fn run(global: &Global, args: Args) -> Result<(), CliError> {
    let config = global.configuration()?;
    telemetry::start(&config.telemetry)?;
    let mut signals = Signals::watch()?;
    let starting = async {
        database_answers(global, &config).await?;
        Server::start(&config, &args.roles).await
    };
    let server = tokio::select! {
        started = starting => started?,
        _ = signals.stop() => return Ok(()),
    };
    announce(global, &server);
    if signals.stop().await == Asked::ToDrain {
        server.drain();
        let drain = Duration::from_secs(config.server.drain_seconds.into());
        global.output.note("draining: not ready any more, answering on");
        let _ = tokio::time::timeout(drain, signals.stop()).await;
    }
    tokio::select! {
        () = stop(global, server) => {}
        _ = signals.stop() => global.output.note("asked once more: ending without what is in progress"),
    }
    Ok(())
}

/// Waits until PostgreSQL takes connections: after a power failure both start at once, and one recovers for a while. What waiting
/// does not help, such as a wrong password, is left to be found by whoever connects.
async fn database_answers(global: &Global, config: &Config) -> Result<(), CliError> {
    let database = runtime::database(config)?;
    for attempt in 0.. {
        match eventstore_schema::database::connect(&database).await {
            Err(error) if comes_back(&error) => {
                if attempt % DATABASE_ATTEMPTS_TOLD == 0 {
                    let reason = CliError::unavailable("").because(&error).causes.join(": ");
                    tracing::warn!(reason, "waiting for PostgreSQL");
                    global.output.note(format!("waiting for PostgreSQL: {reason}"));
                }
            }
            Ok(_) | Err(_) => return Ok(()),
        }
        tokio::time::sleep(DATABASE_PAUSE).await;
    }
    Ok(())
}

/// Whether a server that refuses connections so, or does not answer, may take them in a while.
fn comes_back(error: &tokio_postgres::Error) -> bool {
    if error.code().is_some() {
        return eventstore_schema::database::is_transient(error);
    }
    // Nobody listens, or nobody answers. Wrong certificates and missing passwords are for people to mend.
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        if source.is::<std::io::Error>() {
            return true;
        }
        cause = source.source();
    }
    false
}

/// Says where the server is reached.
pub fn announce(global: &Global, server: &Server) {
    let (public, internal) = (server.public(), server.internal());
    global.output.result(&json!({ "listening": public, "metrics": internal }), || match public {
        Some(public) => format!(
            "Envoi listens on http://{public} (reference: http://{public}/docs, metrics: http://{internal}/metrics)"
        ),
        None => format!(
            "Envoi runs; this process answers no clients (metrics: http://{internal}/metrics, health: http://{internal}/health/ready)."
        ),
    });
}

/// Stops the server, giving work in progress a bounded time.
pub async fn stop(global: &Global, server: Server) {
    global.output.note("stopping: finishing what is in progress");
    if tokio::time::timeout(STOP_WAIT_MAX, server.stop()).await.is_err() {
        tracing::warn!(
            "work in progress took too long: ending without it; whoever asked can safely repeat it"
        );
    }
}

/// How a process is asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// By SIGTERM, as whoever supervises it does: others have to hear of it first.
    ToDrain,
    /// By SIGINT, as who sits before it does.
    AtOnce,
}

/// The signals that ask a server to stop. From the first watch on none of them, nor SIGHUP, kills the process.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    /// Watches for them.
    ///
    /// # Errors
    /// When signals cannot be awaited.
    pub fn watch() -> Result<Self, CliError> {
        let watch = |kind| signal(kind).map_err(|error| CliError::failed("signals").because(&error));
        Ok(Self {
            interrupt: watch(SignalKind::interrupt())?,
            terminate: watch(SignalKind::terminate())?,
            hangup: watch(SignalKind::hangup())?,
        })
    }

    /// Waits until asked to stop, once more each time. SIGHUP asks nothing of a server.
    pub async fn stop(&mut self) -> Asked {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return Asked::AtOnce,
                _ = self.terminate.recv() => return Asked::ToDrain,
                _ = self.hangup.recv() => tracing::info!("SIGHUP changes nothing: a server reads its configuration when it starts"),
            }
        }
    }
}

/// Waits for SIGINT, SIGTERM or, as of a terminal that is closed, SIGHUP: for what runs before somebody.
///
/// # Errors
/// When signals cannot be awaited.
pub async fn until_asked_to_stop() -> Result<(), CliError> {
    let Signals { mut interrupt, mut terminate, mut hangup } = Signals::watch()?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}
