//! `envoi client devices`: your devices.

use clap::Subcommand;
use domain::DeviceId;
use domain::device::DeviceRevocationCause;
use serde_json::json;

use super::{Place, explain, listing};
use crate::cli::CliError;

/// Arguments of `envoi client devices`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// List your devices.
    List,
    /// Revoke a device, for good: it reads and sends nothing any more.
    Revoke {
        /// Which device.
        device: DeviceId,
        /// Why: requested, or lost.
        #[arg(long, default_value = "requested")]
        cause: DeviceRevocationCause,
    },
}

/// Runs `envoi client devices`.
pub async fn run(place: &Place, args: Args) -> Result<(), CliError> {
    let client = place.client()?;
    match args.verb {
        Verb::List => {
            let rows = listing::all(&client, "/v1/me/devices").await.map_err(explain)?;
            let columns = [
                ("DEVICE", "device_id"),
                ("NAME", "name"),
                ("ENROLLED", "enrolled_at"),
                ("REVOKED", "revoked_at"),
            ];
            let empty = "You have no device yet: `envoi client login` makes this one yours.";
            listing::print(place.output, &rows, &columns, empty);
        }
        Verb::Revoke { device, cause } => {
            client.revoke_device(device, cause).await.map_err(explain)?;
            place.output.result(&json!({ "revoked": device }), || {
                format!("Device {device} is revoked; your conversations get new keys.")
            });
        }
    }
    Ok(())
}
