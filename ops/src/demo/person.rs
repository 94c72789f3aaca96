//! One person of the play: an account, and real clients on its devices.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use envoi_client::{Client, Error};

use super::inbox::Inbox;
use super::stage::Stage;
use crate::cli::CliError;

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
        let password = password()?;
        stage.entrance.register(name, &email, &password).await?;
        let phone = device(stage, (&email, &password), "phone").await?;
        Ok(Self { name: name.to_owned(), email, password, phone })
    }

    /// Gives the person a second device.
    ///
    /// # Errors
    /// When login, enrolment or the live stream fails.
    pub async fn second_device(&self, stage: &Stage) -> Result<Device, CliError> {
        device(stage, (&self.email, &self.password), "tablet").await
    }
}

async fn device(stage: &Stage, (email, password): (&str, &str), label: &str) -> Result<Device, CliError> {
    let client = stage.entrance.log_in(email, password, label).await?;
    let inbox = Inbox::open(&client).await?;
    Ok(Device { client, inbox })
}

/// 128 random bits as text.
fn password() -> Result<String, CliError> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| CliError::failed(format!("no randomness: {error}")))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}
