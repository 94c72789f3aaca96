//! How e-mails leave: over SMTP or, for development, into files.

use std::time::Duration;

use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::{AsyncSmtpTransportBuilder, Error as SmtpError, PoolConfig};
use lettre::{AsyncFileTransport, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use tokio::time::timeout;
use url::{Host, Url};

use super::MailError;

/// Longest wait until the server has greeted and let in.
const REACH_WAIT_MAX: Duration = Duration::from_secs(10);
/// Longest wait until it has taken an e-mail; some think it over. A stop of this process waits for both.
const SEND_WAIT_MAX: Duration = Duration::from_secs(30);
/// Answers with which a server turns down this e-mail, whenever it is asked (RFC 5321, section 4.2.3): no such mailbox, not
/// here, no room, no such name, no.
const REFUSALS: [u16; 6] = [550, 551, 552, 553, 554, 556];

/// See the module.
pub(super) enum Transport {
    /// Over SMTP; `takes_international` says that the server takes SMTPUTF8 (RFC 6531).
    Smtp {
        smtp: AsyncSmtpTransport<Tokio1Executor>,
        takes_international: bool,
    },
    File(AsyncFileTransport<Tokio1Executor>),
}

impl Transport {
    pub(super) fn open(text: &str, roots: Option<&[u8]>) -> Result<Self, MailError> {
        let Some(directory) = text.strip_prefix("file:") else {
            // A connection a mail: one on which a mail was given up has a command under way, which the next one would wait for.
            let no_reuse = PoolConfig::new().max_size(0);
            let (smtp, takes_international) = smtp(text, roots)?;
            let smtp = smtp.timeout(Some(REACH_WAIT_MAX)).pool_config(no_reuse).build();
            return Ok(Self::Smtp { smtp, takes_international });
        };
        std::fs::create_dir_all(directory)
            .map_err(|error| MailError::Transport(format!("directory {directory}: {error}")))?;
        Ok(Self::File(AsyncFileTransport::new(directory)))
    }

    /// Whether addresses with a local part that is not ASCII can be written to, as far as is known.
    pub(super) fn takes_international(&self) -> bool {
        match self {
            Self::Smtp { takes_international, .. } => *takes_international,
            Self::File(_) => true,
        }
    }

    /// Hands an e-mail over; `is_international` says that only a server with SMTPUTF8 can take it.
    pub(super) async fn send(&self, message: Message, is_international: bool) -> Result<(), MailError> {
        match self {
            // The transport's own time-out is for connecting alone.
            Self::Smtp { smtp, .. } => match timeout(SEND_WAIT_MAX, smtp.send(message)).await {
                Ok(Ok(_)) => Ok(()),
                // The client finds the extension missing before it says anything of the e-mail.
                Ok(Err(error)) if is_international && error.is_client() => Err(MailError::International),
                Ok(Err(error)) => Err(self.cause(Some(&error)).await),
                Err(_) => Err(self.cause(None).await),
            },
            Self::File(file) => match file.send(message).await {
                Ok(_) => Ok(()),
                Err(error) => Err(MailError::Unreachable(error.to_string())),
            },
        }
    }

    /// Greets the server, proves itself to it, and sends nothing.
    pub(super) async fn reach(&self) -> Result<(), MailError> {
        let Self::Smtp { smtp, .. } = self else { return Ok(()) };
        match timeout(REACH_WAIT_MAX, smtp.test_connection()).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Err(error)) => Err(MailError::Unreachable(told(Some(&error)))),
            Ok(Ok(false)) | Err(_) => Err(MailError::Unreachable(told(None))),
        }
    }

    /// Why an e-mail was not taken: because none is, or because of this one.
    async fn cause(&self, error: Option<&SmtpError>) -> MailError {
        if let Err(unreachable) = self.reach().await {
            return unreachable;
        }
        match error.and_then(SmtpError::status).map(u16::from) {
            Some(code) if REFUSALS.contains(&code) => MailError::Refused { code },
            _ => MailError::Deferred(told(error)),
        }
    }
}

/// What may be told of an error: of an answer the code only, since its text often repeats the address.
fn told(error: Option<&SmtpError>) -> String {
    match (error, error.and_then(SmtpError::status)) {
        (_, Some(code)) => format!("the server answered {code}"),
        (Some(error), None) => error.to_string(),
        (None, None) => "the server does not answer".to_owned(),
    }
}

/// How a connection is encrypted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Encryption {
    None,
    /// With STARTTLS, if the server offers it.
    Opportunistic,
    /// With STARTTLS.
    Required,
    /// From the first byte.
    Wrapper,
}

/// Reads `smtp://…` or `smtps://…`, and whether the server takes SMTPUTF8. What it does not know it refuses: a misspelt `tls`
/// must not send in clear.
fn smtp(text: &str, roots: Option<&[u8]>) -> Result<(AsyncSmtpTransportBuilder, bool), MailError> {
    let malformed = || {
        MailError::Transport(
            "expected smtp://USER:PASSWORD@HOST:PORT?tls=required&smtputf8=yes, smtps://… or file:DIRECTORY"
                .to_owned(),
        )
    };
    let mut url = Url::parse(text).map_err(|_| malformed())?;
    let takes_international = take_smtputf8(&mut url).ok_or_else(malformed)?;
    let host = url.host().ok_or_else(malformed)?;
    let mut encryption = match url.scheme() {
        "smtp" => Encryption::None,
        "smtps" => Encryption::Wrapper,
        _ => return Err(malformed()),
    };
    for (name, value) in url.query_pairs() {
        encryption = match (&*name, &*value, encryption) {
            ("tls", "required", Encryption::None) => Encryption::Required,
            ("tls", "opportunistic", Encryption::None) => Encryption::Opportunistic,
            _ => return Err(malformed()),
        };
    }
    let has_password = !url.username().is_empty() || url.password().is_some();
    let may_be_read = matches!(encryption, Encryption::None | Encryption::Opportunistic);
    if has_password && may_be_read && !is_loopback(&host) {
        return Err(MailError::Transport(
            "a password is sent over encrypted connections only: add ?tls=required, or use smtps://"
                .to_owned(),
        ));
    }
    let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.as_str()).map_err(|_| malformed())?;
    let Some(roots) = roots else { return Ok((builder, takes_international)) };
    let parameters = tls(&host, roots)?;
    let builder = builder.tls(match encryption {
        Encryption::None => Tls::None,
        Encryption::Opportunistic => Tls::Opportunistic(parameters),
        Encryption::Required => Tls::Required(parameters),
        Encryption::Wrapper => Tls::Wrapper(parameters),
    });
    Ok((builder, takes_international))
}

/// Takes `smtputf8=yes` or `=no` out of a URL: whether the server takes SMTPUTF8; nothing when it says something else.
fn take_smtputf8(url: &mut Url) -> Option<bool> {
    let is_about = |name: &str| name == "smtputf8";
    let pairs: Vec<_> = url.query_pairs().into_owned().collect();
    let told: Vec<&str> =
        pairs.iter().filter(|(name, _)| is_about(name)).map(|(_, value)| value.as_str()).collect();
    let takes = match told.as_slice() {
        [] | ["no"] => false,
        ["yes"] => true,
        _ => return None,
    };
    url.set_query(None);
    let rest: Vec<_> = pairs.iter().filter(|(name, _)| !is_about(name)).collect();
    if !rest.is_empty() {
        url.query_pairs_mut().extend_pairs(rest);
    }
    Some(takes)
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// Trusts the certificates in `roots` alone.
fn tls(host: &Host<&str>, roots: &[u8]) -> Result<TlsParameters, MailError> {
    let unusable = |_| MailError::Transport("the root certificates cannot be used".to_owned());
    let roots = Certificate::from_pem(roots).map_err(unusable)?;
    TlsParameters::builder(host.to_string())
        .certificate_store(CertificateStore::None)
        .add_root_certificate(roots)
        .build()
        .map_err(unusable)
}
