//! `envoi client register`: an account.

use envoi_client::api::dto::Registration;
use serde_json::json;

use super::{Place, explain, secret};
use crate::cli::CliError;

/// Arguments of `envoi client register`.
#[derive(clap::Args)]
pub struct Args {
    /// E-mail address; a token is sent to it.
    #[arg(long)]
    email: String,
    /// Name that others see.
    #[arg(long)]
    name: String,
    /// Language, such as `en` or `pt-BR`.
    #[arg(long)]
    locale: Option<String>,
}

/// Runs `envoi client register`.
pub async fn run(place: &Place, args: Args) -> Result<(), CliError> {
    let server = place.server()?;
    let password = secret::new_password()?;
    let registration = Registration {
        email: args.email.clone(),
        password: password.to_string(),
        display_name: args.name,
        locale: args.locale,
    };
    server.register(&registration).await.map_err(explain)?;
    place.output.result(&json!({ "registered": args.email }), || {
        format!(
            "An e-mail is on its way to {}.\nNext: envoi client confirm --token TOKEN-FROM-THE-E-MAIL",
            args.email
        )
    });
    Ok(())
}
