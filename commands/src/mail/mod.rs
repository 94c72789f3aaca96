//! Outgoing e-mail. Texts are the files in `templates/`: a subject line, an empty line, the body, `{name}` for what is filled in.

mod transport;

use domain::text::{ascii_domain, is_international};
use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::{Address, Message};
use uuid::Uuid;

use self::transport::Transport;

/// Why an e-mail was not handed over. No text has the address, or a password, in it.
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
    /// The server cannot be reached or takes nothing from this sender: every e-mail has to wait.
    #[error("the mail server cannot be used: {0}")]
    Unreachable(String),
    /// The server did not take this one for now.
    #[error("the mail server did not take an e-mail for now: {0}")]
    Deferred(String),
    /// The address has characters before the @ that are not ASCII, and the server takes none such (SMTPUTF8, RFC 6531).
    #[error(
        "the mail server takes no address that is not ASCII before the @: a relay that does is told by smtputf8=yes"
    )]
    International,
    /// The server will never take this one.
    #[error("the mail server refused an e-mail for good, with {code}")]
    Refused {
        /// Its answer, by RFC 5321.
        code: u16,
    },
}

impl MailError {
    /// Name for metrics.
    pub fn outcome(&self) -> &'static str {
        match self {
            MailError::Transport(_) | MailError::Build => "failed",
            MailError::Address | MailError::Refused { .. } => "refused",
            MailError::Unreachable(_) => "unreachable",
            MailError::Deferred(_) => "deferred",
            MailError::International => "undeliverable",
        }
    }
}

macro_rules! mails {
    ($($(#[$doc:meta])* $variant:ident { $($field:ident),* } = $name:literal;)+) => {
        /// The e-mails there are.
        #[derive(Clone)]
        pub enum Mail { $($(#[$doc])* $variant { $(#[doc = concat!("Fills in `{", stringify!($field), "}`.")] $field: String),* },)+ }

        impl Mail {
            fn render(&self) -> (String, String) {
                match self { $(Mail::$variant { $($field),* } => {
                    let text = include_str!(concat!("templates/", $name, ".txt"));
                    fill(text, &[$((concat!("{", stringify!($field), "}"), $field.as_str())),*])
                },)+ }
            }

            /// Name for logs and metrics.
            pub fn name(&self) -> &'static str {
                match self { $(Mail::$variant { .. } => $name,)+ }
            }
        }
    };
}

mails! {
    /// Asks to confirm the address.
    ConfirmEmail { url, token } = "confirm_email";
    /// Tells the owner of an address that somebody tried to register it again.
    AlreadyRegistered { url } = "already_registered";
    /// Brings a reset token.
    ResetPassword { url, token } = "reset_password";
    /// Tells that the password was changed.
    PasswordChanged { url } = "password_changed";
    /// Tells that a session was ended because a copy of its token was used.
    SessionEnded { url } = "session_ended";
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
    /// Opens `smtp://USER:PASSWORD@HOST:PORT`, encrypted with `?tls=required` (STARTTLS), `smtps://…`, or `file:DIRECTORY`, where
    /// each e-mail becomes an `.eml` file. With `smtputf8=yes` the server is known to take addresses that are not ASCII
    /// before the @. Nothing is connected yet. `roots` are the certificates (PEM) that are trusted
    /// instead of the platform's.
    ///
    /// # Errors
    /// When the URL, the sender's address or the certificates are malformed, the directory cannot be made, or a password
    /// would be sent in clear to another machine.
    pub fn open(transport: &str, from: &str, roots: Option<&[u8]>) -> Result<Self, MailError> {
        let from: Mailbox = from.parse().map_err(|_| MailError::Address)?;
        let from = Mailbox { email: in_ascii(&from.email)?, ..from };
        let transport = Transport::open(transport, roots)?;
        if is_international(from.email.as_ref()) && !transport.takes_international() {
            return Err(MailError::International);
        }
        Ok(Self { transport, from })
    }

    /// Whether e-mails to the address can be handed over, as far as is known beforehand.
    pub fn takes(&self, email: &str) -> bool {
        self.transport.takes_international() || !is_international(email)
    }

    /// Greets the server, proves itself to it, and sends nothing.
    ///
    /// # Errors
    /// [`MailError::Unreachable`].
    pub async fn reach(&self) -> Result<(), MailError> {
        self.transport.reach().await
    }

    /// Sends one e-mail. `id` names it: mailboxes show two of the same id as one, so that a repeated one does no harm.
    ///
    /// # Errors
    /// After [`MailError::Unreachable`] all have to wait, after [`MailError::Deferred`] this one; the others stay.
    pub async fn send(&self, to: &str, mail: &Mail, id: Uuid) -> Result<(), MailError> {
        let (subject, body) = mail.render();
        let to = in_ascii(&to.parse().map_err(|_| MailError::Address)?)?;
        let is_international = is_international(to.as_ref());
        if is_international && !self.transport.takes_international() {
            return Err(MailError::International);
        }
        let message = Message::builder()
            .message_id(Some(format!("<{id}@{}>", self.from.email.domain())))
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(subject)
            .header(ContentType::TEXT_PLAIN)
            .body(body)
            .map_err(|_| MailError::Build)?;
        self.transport.send(message, is_international).await
    }
}

/// The address with its domain in the form that every relay understands.
fn in_ascii(address: &Address) -> Result<Address, MailError> {
    let domain = ascii_domain(address.domain()).ok_or(MailError::Address)?;
    Address::new(address.user(), domain).map_err(|_| MailError::Address)
}

#[cfg(test)]
mod tests {
    use lettre::message::Body;
    use lettre::message::header::ContentTransferEncoding;

    use super::*;

    #[tokio::test]
    async fn the_file_transport_writes_one_readable_file_a_mail() {
        let directory = tempfile::tempdir().unwrap();
        let mailer =
            Mailer::open(&format!("file:{}", directory.path().display()), "Envoi <envoi@localhost>", None)
                .unwrap();
        let mail = Mail::ConfirmEmail { url: "http://x".into(), token: "t-1".into() };
        mailer.send("ada@example.org", &mail, Uuid::nil()).await.unwrap();
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
            Mail::SessionEnded { url: value() },
        ] {
            let (subject, body) = mail.render();
            assert!(!subject.is_empty() && !body.is_empty() && !body.contains('{'), "{mail:?}");
        }
    }

    #[test]
    fn no_line_of_a_mail_is_broken_on_its_way() {
        const URL: &str = "https://messages.example.org";
        // As long as tokens are: 48 bytes.
        let (url, token) = (|| URL.to_owned(), || "t".repeat(64));
        for mail in [
            Mail::ConfirmEmail { url: url(), token: token() },
            Mail::AlreadyRegistered { url: url() },
            Mail::ResetPassword { url: url(), token: token() },
            Mail::PasswordChanged { url: url() },
            Mail::SessionEnded { url: url() },
        ] {
            let (_, body) = mail.render();
            // Longer ones are broken by quoted-printable (RFC 2045, section 6.7), for those who read it undecoded.
            assert!(body.lines().all(|line| line.len() <= 76), "{body}");
            assert_eq!(Body::new(body).encoding(), ContentTransferEncoding::SevenBit);
        }
        // Where the address is long, what has to be copied still stands on whole lines.
        let (_, body) = Mail::ConfirmEmail { url: URL.repeat(4), token: token() }.render();
        let encoded = String::from_utf8(Body::new(body).into_vec()).unwrap();
        let stands = |line: &str| encoded.lines().any(|whole| whole.trim_start() == line);
        assert!(
            stands(&format!("token: {}", token())) && stands(&format!("--token {}", token())),
            "{encoded}"
        );
    }

    #[test]
    fn a_transport_that_is_none_is_refused_without_its_credentials() {
        for text in [
            "ftp://me:secret@host",
            "smtp://me:secret@host",
            "smtp://me:secret@host?tls=opportunistic",
            "smtp://me:secret@host?tsl=required",
            "smtps://me:secret@host?tls=opportunistic",
            "smtp://me:secret@host:port?tls=required",
        ] {
            let error = Mailer::open(text, "Envoi <envoi@localhost>", None).unwrap_err();
            assert!(
                matches!(error, MailError::Transport(_)) && !error.to_string().contains("secret"),
                "{text}"
            );
        }
    }

    #[tokio::test]
    async fn a_password_goes_over_encrypted_connections_or_nowhere() {
        for text in [
            "smtp://host",
            "smtp://me:secret@localhost:1025",
            "smtp://me:secret@[::1]:1025",
            "smtp://me:secret@host?tls=required",
            "smtps://me:secret@host",
        ] {
            let mailer = Mailer::open(text, "Envoi <envoi@localhost>", None).unwrap();
            assert!(!format!("{mailer:?}").contains("secret"));
        }
    }

    #[tokio::test]
    async fn an_address_that_the_relay_cannot_take_is_known_before() {
        let open = |url: &str| Mailer::open(url, "Envoi <envoi@b\u{fc}cher.example>", None).unwrap();
        let plain = open("smtp://127.0.0.1:1");
        assert_eq!(plain.from.email.to_string(), "envoi@xn--bcher-kva.example");
        assert!(plain.takes("ann@b\u{fc}cher.example") && !plain.takes("j\u{f6}rg@envoi.test"));
        for url in ["smtp://127.0.0.1:1?smtputf8=yes", "smtp://me:pw@host?tls=required&smtputf8=yes"] {
            assert!(open(url).takes("j\u{f6}rg@envoi.test"), "{url}");
        }
        let mail = Mail::PasswordChanged { url: String::new() };
        let error = plain.send("j\u{f6}rg@envoi.test", &mail, Uuid::nil()).await.unwrap_err();
        assert!(matches!(error, MailError::International), "{error}");
        for url in ["smtp://host?smtputf8=maybe", "smtp://host?smtputf8=yes&smtputf8=no"] {
            assert!(Mailer::open(url, "Envoi <envoi@localhost>", None).is_err(), "{url}");
        }
        let error = Mailer::open("smtp://host", "j\u{f6}rg@envoi.test", None).unwrap_err();
        assert!(matches!(error, MailError::International));
    }

    #[tokio::test]
    async fn an_address_that_is_none_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let mailer =
            Mailer::open(&format!("file:{}", directory.path().display()), "Envoi <envoi@localhost>", None)
                .unwrap();
        let error = mailer
            .send("nobody\r\nBcc: x", &Mail::PasswordChanged { url: String::new() }, Uuid::nil())
            .await
            .unwrap_err();
        assert!(matches!(error, MailError::Address));
    }
}
