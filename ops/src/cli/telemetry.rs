//! What a run says of itself: structured events on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{Directive, ParseError};

use super::CliError;
use crate::config::Telemetry;

/// Parts that write a line for each malformed request, which strangers could fill a disk with: they say nothing unless a filter
/// names the library.
const OF_STRANGERS: [&str; 2] = ["actix_http::h1=off", "actix_http::ws=off"];
/// The library.
const OF_REQUESTS: &str = "actix_http";

/// Starts writing events as the configuration says. Once a process.
///
/// # Errors
/// When the filter or the format is none.
pub fn start(telemetry: &Telemetry) -> Result<(), CliError> {
    let filter = filter(&telemetry.filter).map_err(|error| {
        CliError::usage("`telemetry.filter` is no filter").because(&error).hint("info,envoi=debug")
    })?;
    // As https://no-color.org has it.
    let is_coloured =
        std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
    let writer =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(is_coloured);
    let started = match telemetry.format.as_str() {
        "json" => writer.json().try_init(),
        "text" => writer.try_init(),
        other => return Err(CliError::usage(format!("`telemetry.format` is {other}")).hint("text or json")),
    };
    started.map_err(|error| CliError::failed(format!("telemetry did not start: {error}")))
}

fn filter(text: &str) -> Result<EnvFilter, ParseError> {
    let filter = EnvFilter::try_new(text)?;
    if text.contains(OF_REQUESTS) {
        return Ok(filter);
    }
    OF_STRANGERS
        .iter()
        .try_fold(filter, |filter, quiet| Ok(filter.add_directive(quiet.parse::<Directive>()?)))
}
