//! People who come in as anybody does: they register, confirm with the token from their e-mail, log in, and set up a device.
//! For installations whose e-mails are files.

use std::path::{Path, PathBuf};
use std::time::Duration;

use envoi_client::api::dto::Registration;
use envoi_client::e2ee::Cost;
use envoi_client::{Client, Keep, Server};

use crate::cli::CliError;

/// How long an e-mail may take.
const MAIL_WAIT_MAX: Duration = Duration::from_secs(60);
/// Time between two looks into the mail folder.
const MAIL_POLL: Duration = Duration::from_millis(50);

/// Cost of the key that protects a vault which nobody keeps.
const SCRATCH_COST: Cost = Cost { memory_kib: 8 * 1024, passes: 1, lanes: 1 };

/// Where people come in.
pub struct Entrance {
    server: Server,
    mail_directory: PathBuf,
}

fn failed(what: &str, error: &(dyn std::error::Error + 'static)) -> CliError {
    CliError::failed(format!("{what} failed")).because(error)
}

impl Entrance {
    /// Of the server at `url`, whose e-mails are written to `mail_directory`.
    ///
    /// # Errors
    /// When the URL is none.
    pub fn new(url: &str, mail_directory: &Path) -> Result<Self, CliError> {
        let server = Server::new(url).map_err(|error| failed("reaching the server", &error))?;
        Ok(Self { server, mail_directory: mail_directory.to_owned() })
    }

    /// Registers an account and confirms its address by the e-mail that comes.
    ///
    /// # Errors
    /// When the server refuses, or no e-mail comes in time.
    pub async fn register(&self, name: &str, email: &str, password: &str) -> Result<(), CliError> {
        let registration = Registration {
            email: email.to_owned(),
            password: password.to_owned(),
            display_name: name.to_owned(),
            locale: None,
        };
        self.server.register(&registration).await.map_err(|error| failed("registering", &error))?;
        let token = tokio::time::timeout(MAIL_WAIT_MAX, self.token(email)).await.map_err(|_| {
            CliError::failed(format!(
                "no e-mail with a token came to {} for {email}",
                self.mail_directory.display()
            ))
        })?;
        self.server.confirm_email(&token).await.map_err(|error| failed("confirming", &error))
    }

    /// Logs in with a new device whose keys live in memory.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn log_in(&self, email: &str, password: &str, device_name: &str) -> Result<Client, CliError> {
        let client = self
            .server
            .login(email, password, Keep::Memory)
            .await
            .map_err(|error| failed("logging in", &error))?;
        // The passphrase of the keys is not the password: the server has seen that one.
        let passphrase = format!("{password} of the keys");
        client
            .set_up(&passphrase, SCRATCH_COST, device_name)
            .await
            .map_err(|error| failed("setting up a device", &error))?;
        Ok(client)
    }

    async fn token(&self, email: &str) -> String {
        loop {
            if let Some(token) = token_for(&self.mail_directory, email) {
                return token;
            }
            tokio::time::sleep(MAIL_POLL).await;
        }
    }
}

/// The token of the confirmation that was sent to `email`.
fn token_for(directory: &Path, email: &str) -> Option<String> {
    let to = format!("To: {email}");
    std::fs::read_dir(directory).ok()?.flatten().find_map(|entry| {
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "eml") {
            return None;
        }
        let text = std::fs::read_to_string(path).ok()?;
        if !text.lines().any(|line| line == to) {
            return None;
        }
        // A line without its end is still being written.
        text.split_inclusive('\n').find_map(|line| {
            let token = line.trim_start().strip_prefix("token: ")?.strip_suffix('\n')?;
            Some(token.trim_end().to_owned())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_the_addressees_own() {
        let directory = tempfile::tempdir().unwrap();
        let mail = |name: &str, to: &str, token: &str| {
            let text = format!("From: Envoi <e@x>\r\nTo: {to}\r\n\r\nHello\r\n\r\n    token: {token}\r\n");
            std::fs::write(directory.path().join(name), text).unwrap();
        };
        mail("1.eml", "ada@example.org", "T1");
        mail("2.eml", "ben@example.org", "T2");
        mail("4.eml", "flo@example.org", "T4");
        let whole = std::fs::read(directory.path().join("4.eml")).unwrap();
        std::fs::write(directory.path().join("4.eml"), &whole[..whole.len() - 3]).unwrap();
        assert_eq!(token_for(directory.path(), "flo@example.org"), None);
        mail("3.json", "eve@example.org", "T3");
        assert_eq!(token_for(directory.path(), "ben@example.org").as_deref(), Some("T2"));
        assert_eq!(token_for(directory.path(), "eve@example.org"), None);
    }
}
