//! `envoi client confirm`: the e-mail address is yours.

use serde_json::json;

use super::{Place, explain};
use crate::cli::CliError;

/// Arguments of `envoi client confirm`.
#[derive(clap::Args)]
pub struct Args {
    /// The token from the e-mail.
    #[arg(long, allow_hyphen_values = true)]
    token: String,
}

/// Runs `envoi client confirm`.
pub async fn run(place: &Place, args: Args) -> Result<(), CliError> {
    place.server()?.confirm_email(args.token.trim()).await.map_err(explain)?;
    place.output.result(&json!({ "confirmed": true }), || {
        "The address is confirmed.\nNext: envoi client login --email ADDRESS".to_owned()
    });
    Ok(())
}
