//! What a run says of itself: structured events on standard error.

use tracing_subscriber::EnvFilter;

use super::CliError;
use crate::config::Telemetry;

/// Starts writing events as the configuration says. Once a process.
///
/// # Errors
/// When the filter or the format is none.
pub fn start(telemetry: &Telemetry) -> Result<(), CliError> {
    let filter = EnvFilter::try_new(&telemetry.filter).map_err(|error| {
        CliError::usage("`telemetry.filter` is no filter").because(&error).hint("info,envoi=debug")
    })?;
    let writer = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match telemetry.format.as_str() {
        "json" => writer.json().try_init(),
        "text" => writer.try_init(),
        other => return Err(CliError::usage(format!("`telemetry.format` is {other}")).hint("text or json")),
    };
    started.map_err(|error| CliError::failed(format!("telemetry did not start: {error}")))
}
