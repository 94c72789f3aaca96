//! Outgoing e-mail. Texts are the files in `templates/`: a subject line, an empty line, the body, `{name}` for what is filled in.

use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::{AsyncFileTransport, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

/// Why an e-mail was not handed over.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The configured transport cannot be used; the text carries no credentials.
    #[error("the mail transport is not usable: {0}")]
    Transport(String),
    /// An address cannot be written to.
    #[error("an e-mail address is not valid")]
    Address,
    /// The message cannot be built.
    #[error("the e-mail could not be built")]
    Build,
    /// The server did not take it; trying again may help.
    #[error("the e-mail was not accepted: {0}")]
    Refused(String),
}

macro_rules! mails {
    ($($(#[$doc:meta])* $variant:ident { $($field:ident),* } = $file:literal;)+) => {
        /// The e-mails there are.
        #[derive(Clone)]
        pub enum Mail { $($(#[$doc])* $variant { $(#[doc = concat!("Fills in `{", stringify!($field), "}`.")] $field: String),* },)+ }

        impl Mail {
            fn render(&self) -> (String, String) {
                match self { $(Mail::$variant { $($field),* } => {
                    let text = include_str!(concat!("templates/", $file));
                    fill(text, &[$((concat!("{", stringify!($field), "}"), $field.as_str())),*])
                },)+ }
            }

            /// Name for logs.
            pub fn name(&self) -> &'static str {
                match self { $(Mail::$variant { .. } => $file,)+ }
            }
        }
    };
}

mails! {
    /// Asks to confirm the address.
    ConfirmEmail { url, token } = "confirm_email.txt";
    /// Tells the owner of an address that somebody tried to register it again.
    AlreadyRegistered { url } = "already_registered.txt";
    /// Brings a reset token.
    ResetPassword { url, token } = "reset_password.txt";
    /// Tells that the password was changed.
    PasswordChanged { url } = "password_changed.txt";
}

impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mail({})", self.name())
    }
}

fn fill(text: &str, values: &[(&str, &str)]) -> (String, String) {
    let (subject, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let fill =
        |part: &str| values.iter().fold(part.to_owned(), |text, (name, value)| text.replace(name, value));
    (fill(subject), fill(body))
}

enum Transport {
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    File(AsyncFileTransport<Tokio1Executor>),
}

/// Hands e-mails over.
pub struct Mailer {
    transport: Transport,
    from: Mailbox,
}

impl std::fmt::Debug for Mailer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mailer(..)")
    }
}

impl Mailer {
    /// Opens `smtp://…` or `smtps://…` (as `lettre` reads it), or `file:DIRECTORY`, where each e-mail becomes an `.eml` file.
    ///
    /// # Errors
    /// When the URL or the sender's address is malformed or the directory cannot be made.
    pub fn open(transport: &str, from: &str) -> Result<Self, MailError> {
        let from = from.parse().map_err(|_| MailError::Address)?;
        let transport = match transport.strip_prefix("file:") {
            Some(directory) => {
                std::fs::create_dir_all(directory)
                    .map_err(|error| MailError::Transport(format!("directory {directory}: {error}")))?;
                Transport::File(AsyncFileTransport::new(directory))
            }
            None => {
                let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(transport).map_err(|_| {
                    MailError::Transport("expected smtp://, smtps:// or file:DIRECTORY".to_owned())
                })?;
                Transport::Smtp(builder.build())
            }
        };
        Ok(Self { transport, from })
    }

    /// Sends one e-mail.
    ///
    /// # Errors
    /// [`MailError::Refused`] is worth another try; the others are not.
    pub async fn send(&self, to: &str, mail: &Mail) -> Result<(), MailError> {
        let (subject, body) = mail.render();
        let to = to.parse().map(|address| Mailbox::new(None, address)).map_err(|_| MailError::Address)?;
        let message = Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject(subject)
            .header(ContentType::TEXT_PLAIN)
            .body(body)
            .map_err(|_| MailError::Build)?;
        match &self.transport {
            Transport::Smtp(smtp) => {
                smtp.send(message).await.map_err(|error| MailError::Refused(error.to_string()))?;
            }
            Transport::File(file) => {
                file.send(message).await.map_err(|error| MailError::Refused(error.to_string()))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_file_transport_writes_one_readable_file_a_mail() {
        let directory = tempfile::tempdir().unwrap();
        let mailer =
            Mailer::open(&format!("file:{}", directory.path().display()), "Envoi <envoi@localhost>").unwrap();
        let mail = Mail::ConfirmEmail { url: "http://x".into(), token: "t-1".into() };
        mailer.send("ada@example.org", &mail).await.unwrap();
        let files: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
        assert_eq!(files.len(), 1);
        let text = std::fs::read_to_string(files[0].as_ref().unwrap().path()).unwrap();
        assert!(
            text.contains("To: ada@example.org") && text.contains("t-1") && !text.contains("{token}"),
            "{text}"
        );
    }

    #[test]
    fn nothing_is_left_to_fill_in_any_mail() {
        let value = || "v".to_owned();
        for mail in [
            Mail::ConfirmEmail { url: value(), token: value() },
            Mail::AlreadyRegistered { url: value() },
            Mail::ResetPassword { url: value(), token: value() },
            Mail::PasswordChanged { url: value() },
        ] {
            let (subject, body) = mail.render();
            assert!(!subject.is_empty() && !body.is_empty() && !body.contains('{'), "{mail:?}");
        }
    }

    #[test]
    fn a_transport_that_is_none_is_refused_without_its_credentials() {
        let error = Mailer::open("ftp://me:secret@host", "Envoi <envoi@localhost>").unwrap_err();
        assert!(!error.to_string().contains("secret"));
    }

    #[tokio::test]
    async fn an_address_that_is_none_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let mailer =
            Mailer::open(&format!("file:{}", directory.path().display()), "Envoi <envoi@localhost>").unwrap();
        let error =
            mailer.send("nobody\r\nBcc: x", &Mail::PasswordChanged { url: String::new() }).await.unwrap_err();
        assert!(matches!(error, MailError::Address));
    }
}
