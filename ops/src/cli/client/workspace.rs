//! `envoi client workspace`: workspaces of an organization.

use clap::Subcommand;
use domain::OrganizationId;
use serde_json::json;

use super::{Place, explain, listing};
use crate::cli::CliError;

/// Arguments of `envoi client workspace`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Create a workspace.
    Create {
        /// Its organization.
        organization: OrganizationId,
        /// Its name.
        name: String,
    },
    /// List the workspaces that you see.
    List {
        /// Their organization.
        organization: OrganizationId,
    },
}

/// Runs `envoi client workspace`.
pub async fn run(place: &Place, args: Args) -> Result<(), CliError> {
    let client = place.client()?;
    match args.verb {
        Verb::Create { organization, name } => {
            let id = client.create_workspace(organization, &name).await.map_err(explain)?;
            place.output.result(&json!({ "workspace_id": id }), || format!("Workspace {id} is created."));
        }
        Verb::List { organization } => {
            let path = format!("/v1/organizations/{organization}/workspaces");
            let rows = listing::all(&client, &path).await.map_err(explain)?;
            let empty = format!(
                "No workspaces yet: `envoi client workspace create {organization} NAME` creates one."
            );
            listing::print(place.output, &rows, &[("WORKSPACE", "workspace_id"), ("NAME", "name")], &empty);
        }
    }
    Ok(())
}
