//! `envoi serve`: runs a server over a PostgreSQL of its own operator.

use std::time::Duration;

use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::{CliError, Global, telemetry};
use crate::runtime::server::{Role, Server};

/// How long work in progress may take to finish before the process ends all the same.
const STOP_WAIT_MAX: Duration = Duration::from_secs(30);

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
    let server = Server::start(&config, &args.roles).await?;
    announce(global, &server);
    until_asked_to_stop().await?;
    stop(global, server).await;
    Ok(())
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

/// Waits for SIGINT or SIGTERM.
///
/// # Errors
/// When signals cannot be awaited.
pub async fn until_asked_to_stop() -> Result<(), CliError> {
    let watch = |kind| signal(kind).map_err(|error| CliError::failed("signals").because(&error));
    let (mut interrupt, mut terminate) = (watch(SignalKind::interrupt())?, watch(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
