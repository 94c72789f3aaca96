//! `envoi client logout`: ends the session.

use serde_json::json;

use super::{Place, explain};
use crate::cli::CliError;

/// Arguments of `envoi client logout`.
#[derive(clap::Args)]
pub struct Args {}

/// Runs `envoi client logout`.
pub async fn run(place: &Place, _args: Args) -> Result<(), CliError> {
    place.client()?.logout().await.map_err(explain)?;
    place.output.result(&json!({ "logged_out": true }), || {
        "Logged out. The device and its keys stay: log in again to go on.".to_owned()
    });
    Ok(())
}
