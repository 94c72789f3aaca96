//! `envoi client login`: a session and, the first time, a device with keys.

use envoi_client::e2ee::Cost;
use envoi_client::{Error, Keep};
use serde_json::json;

use super::{Place, explain, secret};
use crate::cli::CliError;

/// Arguments of `envoi client login`.
#[derive(clap::Args)]
pub struct Args {
    /// E-mail address of the account.
    #[arg(long)]
    email: String,
    /// Name of a new device, as your list of devices shows it.
    #[arg(long, default_value = "command line", value_name = "NAME")]
    device_name: String,
    /// Makes new keys for an account whose devices and passphrase are all lost, within a day after a reset of its password by
    /// mail. The other devices are revoked; what was sent before cannot be read any more.
    #[arg(long)]
    begin_anew: bool,
}

/// Runs `envoi client login`. One passphrase protects the profile's key file and, on the server, the vault with the
/// account's identity, so that another device of the same person opens it.
pub async fn run(place: &Place, args: Args) -> Result<(), CliError> {
    let server = place.server()?;
    let path = place.profile.prepared_key_file()?;
    let is_new = !path.exists();
    let password = secret::password()?;
    let passphrase = if is_new { secret::new_passphrase(&password)? } else { secret::passphrase()? };
    let keep = Keep::File { path: &path, passphrase: &passphrase, cost: Cost::INTERACTIVE };
    let client = server.login(&args.email, &password, keep).await.map_err(explain)?;
    let set_up = if args.begin_anew && client.device_id().is_none() {
        client.begin_anew(&passphrase, Cost::INTERACTIVE, &args.device_name).await
    } else {
        client.set_up(&passphrase, Cost::INTERACTIVE, &args.device_name).await
    };
    match set_up {
        Ok(()) => {}
        // The account's vault has another passphrase: a key file under this one would only be in the way.
        Err(error @ Error::Passphrase(_)) if is_new => {
            let _told_or_not = client.logout().await;
            std::fs::remove_file(&path).map_err(|error| {
                CliError::failed(format!("{} cannot be removed", path.display())).because(&error)
            })?;
            return Err(explain(error));
        }
        Err(error) => return Err(explain(error)),
    }
    let (account, device) = (client.account_id(), client.device_id());
    let value = json!({ "account_id": account, "device_id": device, "new_device": is_new, "key_file": path });
    place.output.result(&value, || {
        let keys = if is_new { "Its keys were made and lie" } else { "Its keys lie" };
        format!("Logged in as account {account}.\n{keys} in {}.\nNext: envoi client org list", path.display())
    });
    Ok(())
}
