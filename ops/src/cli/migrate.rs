//! `envoi migrate`: brings the database to the form of this release.

use serde_json::json;

use super::{CliError, Global};
use crate::runtime;

/// Arguments of `envoi migrate`.
#[derive(clap::Args)]
pub struct Args {}

/// Runs `envoi migrate`.
pub async fn run(global: &Global, _args: Args) -> Result<(), CliError> {
    let config = global.configuration()?;
    runtime::migrate(&runtime::owned_database(&config)?).await?;
    global
        .output
        .result(&json!({ "migrated": true }), || "The database has the form of this release.".to_owned());
    Ok(())
}
