//! `envoi client org`: organizations, their members and invitations.

use std::time::Duration;

use clap::Subcommand;
use domain::OrganizationId;
use domain::limits::INVITATION_USES_MAX;
use domain::organization::OrganizationRole;
use envoi_client::api::dto;
use serde_json::json;

use super::names::Names;
use super::{Place, explain, listing};
use crate::cli::CliError;

const DAY: Duration = Duration::from_secs(86_400);

/// Arguments of `envoi client org`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Found an organization; you are its owner.
    Create {
        /// Its name.
        name: String,
    },
    /// List the organizations that you are a member of.
    List,
    /// Make an invitation; whoever has its token can join.
    Invite {
        /// Which organization.
        organization: OrganizationId,
        /// As what people join: admin, compliance_officer, auditor, member or guest.
        #[arg(long, default_value = "member")]
        role: OrganizationRole,
        /// How many people may use it.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(INVITATION_USES_MAX)))]
        uses: u32,
        /// For how many days it holds.
        #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=90))]
        days: u32,
    },
    /// Join an organization by an invitation's token.
    Join {
        /// The token.
        #[arg(allow_hyphen_values = true)]
        token: String,
    },
    /// Find members of an organization by name.
    Find {
        /// Which organization.
        organization: OrganizationId,
        /// Beginnings of words of the name.
        name: String,
    },
    /// List the members of an organization.
    Members {
        /// Which organization.
        organization: OrganizationId,
    },
}

/// Runs `envoi client org`.
pub async fn run(place: &Place, args: Args) -> Result<(), CliError> {
    let client = place.client()?;
    let output = place.output;
    match args.verb {
        Verb::Create { name } => {
            let id = client.create_organization(&name).await.map_err(explain)?;
            output.result(&json!({ "organization_id": id }), || {
                format!("Organization {id} is founded.\nNext: envoi client org invite {id}")
            });
        }
        Verb::List => {
            let rows = listing::all(&client, "/v1/organizations").await.map_err(explain)?;
            let empty = "You are in no organization yet: `envoi client org join TOKEN` joins one, \
                         `envoi client org create NAME` founds one.";
            let columns = [("ORGANIZATION", "organization_id"), ("NAME", "name"), ("ROLE", "role")];
            listing::print(output, &rows, &columns, empty);
        }
        Verb::Invite { organization, role, uses, days } => {
            let made = client.invite(organization, role, uses, DAY * days).await.map_err(explain)?;
            let value = json!({ "invitation_id": made.invitation_id, "token": made.token });
            output.result(&value, || {
                format!(
                    "{}\nWhoever has this token can join, {uses} in all, for {days} days:\n\
                     envoi client org join {0}",
                    made.token
                )
            });
        }
        Verb::Join { token } => {
            let id = client.accept_invitation(token.trim()).await.map_err(explain)?;
            output.result(&json!({ "organization_id": id }), || {
                format!("You are a member of organization {id}.")
            });
        }
        Verb::Find { organization, name } => {
            let found = client.find_people(organization, &name).await.map_err(explain)?;
            let row = |one: &dto::FoundPerson| json!({ "account_id": one.account_id, "display_name": one.display_name, "role": one.role });
            let rows: Vec<_> = found.items.iter().map(row).collect();
            let columns = [("ACCOUNT", "account_id"), ("NAME", "display_name"), ("ROLE", "role")];
            listing::print(output, &rows, &columns, "Nobody there is called so.");
        }
        Verb::Members { organization } => {
            let path = format!("/v1/organizations/{organization}/members");
            let mut rows = listing::all(&client, &path).await.map_err(explain)?;
            Names::new(&client).add_to(&mut rows).await;
            let columns = [
                ("ACCOUNT", "account_id"),
                ("NAME", "display_name"),
                ("ROLE", "role"),
                ("SINCE", "joined_at"),
            ];
            listing::print(output, &rows, &columns, "The organization has no members.");
        }
    }
    Ok(())
}
