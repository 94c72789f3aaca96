//! `envoi client whoami`: who is logged in.

use envoi_client::http::Outgoing;
use serde_json::{Value, json};

use super::{Place, explain};
use crate::cli::{CliError, text};

/// Arguments of `envoi client whoami`.
#[derive(clap::Args)]
pub struct Args {}

/// Runs `envoi client whoami`.
pub async fn run(place: &Place, _args: Args) -> Result<(), CliError> {
    let client = place.client()?;
    let told = client
        .session()
        .call::<Value>(Outgoing::get(format!("/v1/accounts/{}/profile", client.account_id())))
        .await;
    let profile = told.map_err(|error| explain(error.into()))?.body;
    let (account, device) = (client.account_id(), client.device_id());
    let server = client.session().http().base();
    let key_file = place.profile.key_file()?;
    let value = json!({
        "account_id": account, "device_id": device, "server": server, "profile": place.profile.to_string(),
        "key_file": key_file, "display_name": profile.get("display_name"),
    });
    place.output.result(&value, || {
        let said = |field: &str| profile.get(field).and_then(Value::as_str).map(text::name);
        let mut lines = String::new();
        for (title, shown) in [
            ("name", said("display_name")),
            ("account", Some(account.to_string())),
            ("device", device.map(|device| device.to_string())),
            ("server", Some(server.to_owned())),
            ("keys", Some(key_file.display().to_string())),
        ] {
            lines.push_str(&format!("{title:<8} {}\n", shown.as_deref().unwrap_or("-")));
        }
        lines
    });
    Ok(())
}
