//! How to connect to PostgreSQL.

use std::fmt;
use std::ops::{Deref, DerefMut};

use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::tls::{self, Trust};

/// Why there is no way to connect. No text has the URL in it: it may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Neither a URL nor key=value pairs, or `sslmode` is none of PostgreSQL's.
    #[error("not a PostgreSQL URL")]
    Malformed,
    /// Certificates that cannot be read, or none at all.
    #[error("there are no usable root certificates to verify PostgreSQL with")]
    Roots,
    /// The cryptography does not fit.
    #[error("TLS is not available")]
    Tls(#[source] rustls::Error),
}

/// How to connect to PostgreSQL: where, as whom, and how the connection is secured.
#[derive(Clone)]
pub struct Config {
    connection: tokio_postgres::Config,
    pub(super) tls: Option<MakeRustlsConnect>,
}

impl Config {
    /// Reads a URL or key=value pairs as libpq does, `sslmode` with them: `disable` and `prefer` connect in clear; `require`
    /// encrypts, and with `roots` also verifies as `verify-ca` does; `verify-ca` asks for a certificate of a trusted root,
    /// `verify-full` for one of the name connected to. Over a Unix socket nothing of that applies.
    ///
    /// `roots` are the certificates (PEM) trusted instead of the platform's.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn parse(text: &str, roots: Option<&[u8]>) -> Result<Self, ConfigError> {
        let (text, verifies) = without_verification(text);
        let mut connection: tokio_postgres::Config = text.parse().map_err(|_| ConfigError::Malformed)?;
        let is_local = connection.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)));
        if is_local && connection.get_hostaddrs().is_empty() {
            connection.ssl_mode(SslMode::Disable);
        }
        let trust = match (connection.get_ssl_mode(), verifies) {
            (SslMode::Require, Some(trust)) => trust,
            (SslMode::Require, None) if roots.is_some() => Trust::Certified,
            (SslMode::Require, None) => Trust::Anybody,
            _ => return Ok(Self::from(connection)),
        };
        Ok(Self { connection, tls: Some(tls::connector(trust, roots)?) })
    }
}

/// The text as the driver knows it, which calls every encrypted connection `require`, and what is verified beyond that.
fn without_verification(text: &str) -> (String, Option<Trust>) {
    const MODES: [(&str, Trust); 2] = [("verify-full", Trust::Named), ("verify-ca", Trust::Certified)];
    let is_boundary =
        |before: Option<char>| before.is_none_or(|one| one == '?' || one == '&' || one.is_whitespace());
    for (mode, trust) in MODES {
        for pair in [format!("sslmode={mode}"), format!("sslmode='{mode}'")] {
            let found = text.rmatch_indices(&pair).find(|(place, _)| {
                let (before, after) = (text.get(..*place), text.get(*place + pair.len()..));
                let ends = after.and_then(|after| after.chars().next());
                is_boundary(before.and_then(|before| before.chars().next_back()))
                    && ends.is_none_or(|one| one == '&' || one.is_whitespace())
            });
            if let Some((place, _)) = found {
                let mut text = text.to_owned();
                text.replace_range(place..place + pair.len(), "sslmode=require");
                return (text, Some(trust));
            }
        }
    }
    (text.to_owned(), None)
}

impl From<tokio_postgres::Config> for Config {
    /// In clear, or encrypted with whoever answers: never less than was asked for.
    fn from(connection: tokio_postgres::Config) -> Self {
        Self { connection, tls: None }
    }
}

impl Deref for Config {
    type Target = tokio_postgres::Config;

    fn deref(&self) -> &Self::Target {
        &self.connection
    }
}

impl DerefMut for Config {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.connection
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("connection", &self.connection)
            .field("tls", &self.tls.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (SslMode, bool) {
        let config = Config::parse(text, None).unwrap();
        assert_eq!(config.get_password().map(String::from_utf8_lossy).as_deref(), Some("sslmode=verify-ca"));
        (config.get_ssl_mode(), config.tls.is_some())
    }

    #[test]
    fn every_mode_of_libpq_is_read_in_both_forms() {
        for (mode, expected) in [
            ("disable", (SslMode::Disable, false)),
            ("prefer", (SslMode::Prefer, false)),
            ("require", (SslMode::Require, true)),
            ("verify-ca", (SslMode::Require, true)),
            ("verify-full", (SslMode::Require, true)),
        ] {
            assert_eq!(
                read(&format!("postgres://me:sslmode%3Dverify-ca@db.example/envoi?sslmode={mode}")),
                expected
            );
            assert_eq!(
                read(&format!("host=db.example user=me password=sslmode=verify-ca sslmode={mode}")),
                expected
            );
            assert_eq!(
                read(&format!("sslmode='{mode}' host=db.example password=sslmode=verify-ca")),
                expected
            );
        }
        for wrong in
            ["postgres://db.example/envoi?sslmode=verify", "sslmode=verify-fuller host=db.example", "nothing"]
        {
            assert!(matches!(Config::parse(wrong, None), Err(ConfigError::Malformed)), "{wrong}");
        }
    }

    #[test]
    fn over_a_unix_socket_there_is_no_tls() {
        let config =
            Config::parse("postgres:///envoi?host=/run/postgresql&sslmode=verify-full", None).unwrap();
        assert_eq!((config.get_ssl_mode(), config.tls.is_some()), (SslMode::Disable, false));
    }

    #[test]
    fn roots_that_are_none_are_refused() {
        for roots in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "nonsense"] {
            let refused =
                Config::parse("postgres://db.example/envoi?sslmode=verify-full", Some(roots.as_bytes()));
            assert!(matches!(refused, Err(ConfigError::Roots)), "{roots}");
        }
    }

    #[test]
    fn what_is_shown_has_no_password() {
        let config = Config::parse("postgres://me:secret@db.example/envoi", None).unwrap();
        assert!(!format!("{config:?}").contains("secret"));
    }
}
