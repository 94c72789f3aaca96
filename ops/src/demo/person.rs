//! One person of the play: an account, and real clients on its devices.

use envoi_client::api::dto::Registration;
use envoi_client::e2ee::Cost;
use envoi_client::{Client, Error, Keep, Server};

use super::inbox::Inbox;
use super::stage::Stage;
use crate::cli::CliError;

/// What opening the vault costs: its passphrase is drawn at random and forgotten after the play, so guessing needs no
/// slowing down.
const COST: Cost = Cost { memory_kib: 8 * 1024, passes: 1, lanes: 1 };

/// Somebody on one of their devices, listening.
pub struct Device {
    /// The client.
    pub client: Client,
    /// What came in.
    pub inbox: Inbox,
}

/// Somebody.
pub struct Person {
    /// Name.
    pub name: String,
    email: String,
    password: String,
    passphrase: String,
    /// Their first device.
    pub phone: Device,
}

/// Turns a failure of the client into one of the play.
pub fn failed(what: impl Into<String>) -> impl FnOnce(Error) -> CliError {
    move |error| CliError::check_failed(what.into()).because(&error)
}

impl Person {
    /// Registers, confirms the address by the e-mail, logs in, makes keys and listens.
    ///
    /// # Errors
    /// Whatever of it fails.
    pub async fn enter(stage: &Stage, name: &str, index: usize) -> Result<Self, CliError> {
        let email = format!("person-{index}.{}@demo.example", stage.run);
        let (password, passphrase) = (secret()?, secret()?);
        let registration = Registration {
            email: email.clone(),
            password: password.clone(),
            display_name: name.to_owned(),
            locale: Some("en".to_owned()),
        };
        let server = Server::new(&stage.url).map_err(failed("the server's address"))?;
        server.register(&registration).await.map_err(failed(format!("{name} could not register")))?;
        let token = stage.mailbox.token_for(&email).await?;
        server.confirm_email(&token).await.map_err(failed(format!("{name} could not confirm the address")))?;
        let phone = device(&server, name, (&email, &password, &passphrase), "phone").await?;
        Ok(Self { name: name.to_owned(), email, password, passphrase, phone })
    }

    /// Gives the person a second device.
    ///
    /// # Errors
    /// When login, enrolment or the live stream fails.
    pub async fn second_device(&self, stage: &Stage) -> Result<Device, CliError> {
        let server = Server::new(&stage.url).map_err(failed("the server's address"))?;
        device(&server, &self.name, (&self.email, &self.password, &self.passphrase), "tablet").await
    }
}

async fn device(
    server: &Server,
    name: &str,
    (email, password, passphrase): (&str, &str, &str),
    label: &str,
) -> Result<Device, CliError> {
    let login = server.login(email, password, Keep::Memory).await;
    let client = login.map_err(failed(format!("{name} could not log in")))?;
    let set_up = client.set_up(passphrase, COST, label).await;
    set_up.map_err(failed(format!("{name} could not enroll the {label}")))?;
    let inbox = Inbox::open(&client).await?;
    Ok(Device { client, inbox })
}

/// 128 random bits as text.
pub fn secret() -> Result<String, CliError> {
    use base64::Engine;
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| CliError::failed(format!("no randomness: {error}")))?;
    Ok(base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(bytes))
}
