//! `envoi client sessions`: where you are logged in.

use clap::Subcommand;
use domain::SessionId;
use envoi_client::api::auth::revoke_session;
use serde_json::json;

use super::{Place, explain, listing};
use crate::cli::CliError;

/// Arguments of `envoi client sessions`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Subcommand)]
enum Verb {
    /// List your sessions.
    List,
    /// End a session at once.
    End {
        /// Which session.
        session: SessionId,
    },
}

/// Runs `envoi client sessions`.
pub async fn run(place: &Place, args: Args) -> Result<(), CliError> {
    let client = place.client()?;
    match args.verb.unwrap_or(Verb::List) {
        Verb::List => {
            let rows = listing::all(&client, "/v1/me/sessions").await.map_err(explain)?;
            let columns = [
                ("SESSION", "session_id"),
                ("DEVICE", "device_id"),
                ("STARTED", "started_at"),
                ("LAST USED", "refreshed_at"),
            ];
            listing::print(place.output, &rows, &columns, "You have no sessions.");
        }
        Verb::End { session } => {
            let ended = revoke_session(client.session(), session).await;
            ended.map_err(|error| explain(error.into()))?;
            place.output.result(&json!({ "ended": session }), || format!("Session {session} is ended."));
        }
    }
    Ok(())
}
