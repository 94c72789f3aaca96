//! The connection string, looked at before the client sees it: the client ignores options that it does not know and ends
//! without a word when a file is missing.

use std::fmt;
use std::path::Path;

use eventstore::ClientSettings;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Schemes of the two forms: a list of nodes, and a name under which DNS gives them.
const SCHEMES: [&str; 2] = ["esdb://", "esdb+discover://"];

/// Options that the client understands, and what they hold.
const OPTIONS: [&str; 13] = [
    "connectionName",
    "defaultDeadline",
    "discoveryInterval",
    "gossipTimeout",
    "keepAliveInterval",
    "keepAliveTimeout",
    "maxDiscoverAttempts",
    "nodePreference",
    "tls",
    "tlsCaFile",
    "tlsVerifyCert",
    "userCertFile",
    "userKeyFile",
];

/// Shortest time in milliseconds that the client takes for its keep-alive options; shorter ones it ignores.
const KEEP_ALIVE_MS_MIN: i64 = 10_000;

/// Why a connection string is of no use. Nothing of the string is repeated but names of options: it may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EsdbSettingsError {
    /// It is no connection string at all.
    #[error(
        "not a connection string of EventStoreDB: esdb://[USER:PASSWORD@]HOST[:PORT][,HOST...][?OPTION=VALUE...]"
    )]
    Malformed,
    /// It has an option that does not exist.
    #[error("the connection string has an unknown option `{name}`; there are: {}", OPTIONS.join(", "))]
    UnknownOption {
        /// Its name.
        name: String,
    },
    /// An option's value cannot be used.
    #[error("the connection string's option `{name}` {reason}")]
    Option {
        /// Its name.
        name: &'static str,
        /// What is wrong with its value.
        reason: String,
    },
    /// The prefix of stream names cannot be used.
    #[error("a prefix of stream names has at most {max} letters, digits, `.` and `_`", max = StreamNames::PREFIX_MAX)]
    Prefix,
}

/// A connection string that the client can use. `Debug` and `Display` show its nodes only.
#[derive(Clone)]
pub struct EsdbSettings {
    pub(super) client: ClientSettings,
}

impl EsdbSettings {
    /// Whether a text means this engine, well formed or not.
    pub fn recognizes(text: &str) -> bool {
        SCHEMES.iter().any(|scheme| text.starts_with(scheme))
    }

    /// Reads a connection string, and the files that it names.
    ///
    /// # Errors
    /// See [`EsdbSettingsError`].
    pub fn parse(text: &str) -> Result<Self, EsdbSettingsError> {
        if !Self::recognizes(text) {
            return Err(EsdbSettingsError::Malformed);
        }
        if let Some((_, query)) = text.split_once('?') {
            for pair in query.split('&').filter(|pair| !pair.is_empty()) {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                check_option(name, value)?;
            }
        }
        let client: ClientSettings = with_defaults(text).parse().map_err(|_| EsdbSettingsError::Malformed)?;
        check_files(&client)?;
        Ok(Self { client })
    }
}

/// The client waits once before its first connection, and again before each further attempt: shorter, and more often.
const DEFAULTS: [(&str, &str); 2] = [("discoveryInterval", "50"), ("maxDiscoverAttempts", "20")];

fn with_defaults(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let mut whole = text.to_owned();
    for (name, value) in DEFAULTS {
        if !lower.contains(&format!("{}=", name.to_ascii_lowercase())) {
            let separator = if whole.contains('?') { '&' } else { '?' };
            whole.push_str(&format!("{separator}{name}={value}"));
        }
    }
    whole
}

impl fmt::Display for EsdbSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.client.is_dns_discovery_enabled() { "esdb+discover" } else { "esdb" };
        let nodes: Vec<_> =
            self.client.hosts().iter().map(|node| format!("{}:{}", node.host, node.port)).collect();
        write!(f, "{scheme}://{}", nodes.join(","))
    }
}

impl fmt::Debug for EsdbSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EsdbSettings({self})")
    }
}

fn check_option(name: &str, value: &str) -> Result<(), EsdbSettingsError> {
    let known = OPTIONS.iter().find(|known| known.eq_ignore_ascii_case(name));
    let Some(&name) = known else {
        return Err(EsdbSettingsError::UnknownOption { name: name.to_owned() });
    };
    let wrong = |reason: &str| Err(EsdbSettingsError::Option { name, reason: reason.to_owned() });
    match name {
        "keepAliveInterval" | "keepAliveTimeout" => match value.parse::<i64>() {
            Ok(-1) => Ok(()),
            Ok(milliseconds) if milliseconds >= KEEP_ALIVE_MS_MIN => Ok(()),
            _ => wrong("takes milliseconds, 10000 or more, or -1 for never"),
        },
        "discoveryInterval" | "gossipTimeout" | "maxDiscoverAttempts" if value.parse::<u32>().is_err() => {
            wrong("takes a whole number")
        }
        "defaultDeadline" if value.parse::<i64>().is_err() => wrong("takes milliseconds, or -1 for none"),
        "tls" | "tlsVerifyCert" if value.parse::<bool>().is_err() => wrong("takes true or false"),
        "nodePreference" if !value.eq_ignore_ascii_case("leader") => {
            wrong("can only be `leader`: who writes has to read what was written last")
        }
        _ => Ok(()),
    }
}

/// The client takes these files for granted.
fn check_files(client: &ClientSettings) -> Result<(), EsdbSettingsError> {
    let wrong = |name, path: &str, reason: String| {
        Err(EsdbSettingsError::Option { name, reason: format!("names {path}: {reason}") })
    };
    if let Some(path) = client.tls_ca_file() {
        let read: Result<Vec<_>, _> =
            CertificateDer::pem_file_iter(Path::new(path)).and_then(|certificates| certificates.collect());
        match read {
            Ok(certificates) if certificates.is_empty() => {
                return wrong("tlsCaFile", path, "there is no certificate in it".to_owned());
            }
            Ok(certificates) => {
                let mut roots = rustls::RootCertStore::empty();
                for certificate in certificates {
                    if let Err(error) = roots.add(certificate) {
                        return wrong("tlsCaFile", path, error.to_string());
                    }
                }
            }
            Err(error) => return wrong("tlsCaFile", path, error.to_string()),
        }
    }
    if let Some((certificate, key)) = client.user_certificate() {
        let read: Result<Vec<_>, _> =
            CertificateDer::pem_file_iter(Path::new(certificate)).and_then(|found| found.collect());
        if let Err(error) = read {
            return wrong("userCertFile", certificate, error.to_string());
        }
        if let Err(error) = PrivateKeyDer::from_pem_file(Path::new(key)) {
            return wrong("userKeyFile", key, error.to_string());
        }
    }
    Ok(())
}

/// Names of our streams on the server: a prefix, so that one cluster can serve several logs, then `<category>-<id>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StreamNames {
    prefix: String,
}

impl StreamNames {
    /// Longest prefix in bytes.
    pub(super) const PREFIX_MAX: usize = 64;

    pub(super) fn new(prefix: &str) -> Result<Self, EsdbSettingsError> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_');
        if prefix.len() > Self::PREFIX_MAX || !prefix.bytes().all(fits) {
            return Err(EsdbSettingsError::Prefix);
        }
        Ok(Self { prefix: prefix.to_owned() })
    }

    /// Name of a stream.
    pub(super) fn name(&self, stream: crate::StreamId) -> String {
        format!("{}{stream}", self.prefix)
    }

    /// Beginning of the names of a category's streams.
    pub(super) fn category(&self, category: domain::Category) -> String {
        format!("{}{category}-", self.prefix)
    }

    /// The stream that says which log this is.
    pub(super) fn identity(&self) -> String {
        format!("{}log", self.prefix)
    }

    /// The stream of ours with this name, if it is one.
    pub(super) fn parse(&self, name: &str) -> Option<crate::StreamId> {
        name.strip_prefix(&self.prefix)?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> EsdbSettingsError {
        EsdbSettings::parse(text).unwrap_err()
    }

    #[test]
    fn every_form_of_a_connection_string_is_understood() {
        for text in [
            "esdb://localhost",
            "esdb://localhost:2113?tls=false",
            "esdb://admin:changeit@one:2113,two:2113,three:2113?TLS=true&tlsVerifyCert=false",
            "esdb+discover://cluster.example.org:2113?nodePreference=leader&keepAliveInterval=-1",
        ] {
            EsdbSettings::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        }
    }

    #[test]
    fn what_is_given_wins_over_our_defaults() {
        assert_eq!(
            with_defaults("esdb://a?maxdiscoverattempts=3"),
            "esdb://a?maxdiscoverattempts=3&discoveryInterval=50"
        );
        assert_eq!(with_defaults("esdb://a"), "esdb://a?discoveryInterval=50&maxDiscoverAttempts=20");
    }

    #[test]
    fn an_unknown_option_is_named() {
        let error = error("esdb://localhost?tls=false&tlsCertFile=ca.pem");
        assert_eq!(error, EsdbSettingsError::UnknownOption { name: "tlsCertFile".to_owned() });
        assert!(error.to_string().contains("tlsCaFile"));
    }

    #[test]
    fn an_option_that_the_client_would_ignore_is_refused() {
        for text in [
            "keepAliveInterval=500",
            "tls=yes",
            "nodePreference=follower",
            "maxDiscoverAttempts=x",
            "defaultDeadline=",
        ] {
            let error = error(&format!("esdb://localhost?{text}"));
            assert!(matches!(error, EsdbSettingsError::Option { .. }), "{text}: {error}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = error("esdb://localhost?tlsCaFile=/nowhere/ca.pem");
        assert!(error.to_string().contains("/nowhere/ca.pem"), "{error}");
    }

    #[test]
    fn a_password_is_never_repeated() {
        for text in ["esdb://user:hunter2@", "esdb://user:hunter2@host:port", "esdb://u:hunter2@h/path?x=1"] {
            assert!(!error(text).to_string().contains("hunter2"));
        }
        let settings = EsdbSettings::parse("esdb://user:hunter2@host:2113").unwrap();
        assert_eq!(format!("{settings} {settings:?}"), "esdb://host:2113 EsdbSettings(esdb://host:2113)");
    }

    #[test]
    fn streams_are_found_again_by_their_names() {
        let names = StreamNames::new("envoi.").unwrap();
        let stream = crate::StreamId::new(domain::Category::Account, uuid::Uuid::from_bytes([7; 16]));
        assert_eq!(names.name(stream), "envoi.account-07070707-0707-0707-0707-070707070707");
        assert_eq!(names.parse(&names.name(stream)), Some(stream));
        for name in ["account-07070707-0707-0707-0707-070707070707", "envoi.log", "$stats", "envoi.account-7"]
        {
            assert_eq!(names.parse(name), None, "{name}");
        }
        assert_eq!(StreamNames::new("en-voi"), Err(EsdbSettingsError::Prefix));
        assert_eq!(StreamNames::new("$envoi"), Err(EsdbSettingsError::Prefix));
    }
}
