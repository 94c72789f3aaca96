//! `envoi client safety-number`: what two people compare to know that nobody stands between them.

use domain::AccountId;
use serde_json::json;

use super::{Place, explain};
use crate::cli::CliError;

/// Arguments of `envoi client safety-number`.
#[derive(clap::Args)]
pub struct Args {
    /// The other person's account.
    account: AccountId,
    /// Remember that you compared the number with them and that it was the same.
    #[arg(long, conflicts_with = "accept_new_identity")]
    verified: bool,
    /// Trust the identity key that the server shows now, which is another one than before.
    #[arg(long)]
    accept_new_identity: bool,
}

/// Runs `envoi client safety-number`.
pub async fn run(place: &Place, args: Args) -> Result<(), CliError> {
    let client = place.client()?;
    let people = client.people();
    if args.accept_new_identity {
        people.accept_new_identity(args.account).await.map_err(explain)?;
    }
    if args.verified {
        people.mark_verified(args.account).await.map_err(explain)?;
    }
    let number = people.safety_number(args.account).await.map_err(explain)?.to_string();
    let verified = people.is_verified(args.account);
    let value = json!({ "account_id": args.account, "safety_number": number, "verified": verified });
    place.output.result(&value, || {
        let state = if verified {
            "You have compared it."
        } else {
            "Compare it with them over another way, then: envoi client safety-number ACCOUNT --verified"
        };
        format!("{number}\n{state}")
    });
    Ok(())
}
