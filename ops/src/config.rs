//! Configuration: defaults, then one TOML file, then `ENVOI_*` variables. Unknown keys are refused wherever they stand.

mod list;
mod networks;
mod origins;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use api::ForwardedHeader;
use serde::{Deserialize, Serialize};

pub use networks::Networks;
pub use origins::Origins;

/// Declares the configuration: sections, keys, types, defaults and what they mean, once.
macro_rules! configuration {
    (
        top { $($(#[doc = $tdoc:literal])+ $top:ident: $ttype:ty = $tdefault:expr;)+ }
        $($(#[$sdoc:meta])* $section:ident: $name:ident { $($(#[doc = $doc:literal])+ $key:ident: $type:ty = $default:expr;)+ })+
    ) => {
        /// The whole configuration.
        #[derive(Clone, Debug, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct Config {
            $($(#[doc = $tdoc])+ pub $top: $ttype,)+
            $($(#[$sdoc])* pub $section: $name,)+
        }

        impl Default for Config {
            fn default() -> Self {
                Self { $($top: $tdefault,)+ $($section: $name::default(),)+ }
            }
        }

        $(
            $(#[$sdoc])*
            #[derive(Clone, Debug, Serialize, Deserialize)]
            #[serde(deny_unknown_fields, default)]
            pub struct $name { $($(#[doc = $doc])+ pub $key: $type,)+ }

            impl Default for $name {
                fn default() -> Self { Self { $($key: $default,)+ } }
            }
        )+

        /// Every key with what it means.
        pub const KEYS: &[Key] = &[
            $(Key { section: "", key: stringify!($top), meaning: &[$($tdoc),+] },)+
            $($(Key { section: stringify!($section), key: stringify!($key), meaning: &[$($doc),+] },)+)+
        ];
    };
}

/// One key of the configuration.
pub struct Key {
    /// Its section; empty at the top.
    pub section: &'static str,
    /// Its name in the section.
    pub key: &'static str,
    /// What it means, in lines.
    pub meaning: &'static [&'static str],
}

impl Key {
    /// The variable that sets it.
    pub fn variable(&self) -> String {
        format!("ENVOI_{}", self.path()).replace('.', "_").to_uppercase()
    }

    /// Its dotted path.
    pub fn path(&self) -> String {
        if self.section.is_empty() { self.key.to_owned() } else { format!("{}.{}", self.section, self.key) }
    }
}

configuration! {
    top {
        /// Which engine keeps the log: `postgres`, in the database below, or the connection string of an EventStoreDB
        /// cluster, `esdb://USER:PASSWORD@HOST:2113,...`; the rest stays in the database below.
        log: Confidential = Confidential::from("postgres");
        /// What the names of the log's streams begin with on an EventStoreDB cluster, so that several logs can share it.
        log_stream_prefix: String = "envoi.".to_owned();
    }
    /// Where the server listens.
    server: Server {
        /// Address for clients: HTTP and WebSocket. TLS and HTTP/2 belong to a proxy in front.
        listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 8080));
        /// Address for `/metrics` and health; keep it internal.
        metrics_listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 9090));
        /// URL under which clients reach the server: goes into tokens and e-mails.
        public_url: String = "http://127.0.0.1:8080".to_owned();
        /// HTTP worker threads; 0 for one a core.
        workers: usize = 0;
        /// Networks and addresses of the proxies in front, as in `["10.0.0.0/8", "2001:db8::7"]` (in the variable with commas):
        /// a client's address is the first one, from the connection's on, that is none of theirs. What anybody else says is
        /// not believed. Without it (and `trust_proxy`) the connection's address is the client's.
        trusted_proxies: Networks = Networks::default();
        /// Whether whoever connects is a trusted proxy, whatever its address, and the only one: where nobody but the proxy can
        /// connect. Not together with `trusted_proxies`, which says more.
        trust_proxy: bool = false;
        /// Where trusted proxies tell addresses: `x-forwarded-for`, `forwarded` (RFC 7239) or `any`. Name the one that yours
        /// write: with `any`, of two that tell different addresses neither is believed, and the client counts as the proxy.
        forwarded_header: ForwardedHeader = ForwardedHeader::Any;
        /// Origins of web pages whose scripts may ask the server, as in `["https://app.example.org"]` (in the variable with commas);
        /// `*` for every page. Whoever asks needs a token all the same.
        cors_origins: Origins = Origins::default();
        /// Whether requests are limited in rate, by account and by network.
        rate_limits: bool = true;
        /// Requests a second that an account may make on average; ten times as many at once.
        account_requests_per_second: u32 = 50;
        /// Requests a second that may come from a network (an IPv4 address, the /64 of an IPv6 one) without a login; ten times as many
        /// at once.
        address_requests_per_second: u32 = 10;
        /// Seconds between SIGTERM and the end, in which the server answers on but is no longer ready: as long as whoever balances
        /// load takes to send nobody any more.
        drain_seconds: u32 = 5;
    }
    /// PostgreSQL.
    database: Database {
        /// URL or key=value string of a login that may assume `envoi_app`, `envoi_projector` and `envoi_reader`, and needs no other right.
        /// `sslmode` is libpq's: `disable`, `prefer` (in clear, too), `require`, `verify-ca` or `verify-full`.
        url: Confidential = Confidential::default();
        /// The same of the login that owns the database, for `envoi migrate` and `envoi log adopt`; empty for `database.url`. Servers
        /// need not know it: give it to these two by the variable.
        migrate_url: Confidential = Confidential::default();
        /// File of root certificates (PEM) that PostgreSQL's has to descend from; empty for the platform's.
        tls_root_file: PathBuf = PathBuf::new();
        /// Connections of the write side.
        write_connections: usize = 8;
        /// Connections for queries.
        read_connections: usize = 8;
        /// Connections of the projector runner.
        projector_connections: usize = 12;
    }
    /// Keys at rest.
    keys: Keys {
        /// File with the root key, mode 0600, never in PostgreSQL; back it up elsewhere than the database.
        root_key_file: PathBuf = PathBuf::from("envoi-root.key");
    }
    /// Outgoing e-mail.
    mail: Mail {
        /// `smtp://USER:PASSWORD@HOST:PORT?tls=required` (STARTTLS), `smtps://USER:PASSWORD@HOST:PORT`, or `file:DIRECTORY` for
        /// development. A password is sent over encrypted connections only, but to this machine. With `smtputf8=yes` in its query,
        /// addresses are taken that are not ASCII before the @; the server has to offer SMTPUTF8 (RFC 6531) then.
        transport: Confidential = Confidential::from("file:mail");
        /// File of root certificates (PEM) that the mail server's has to descend from; empty for the platform's.
        tls_root_file: PathBuf = PathBuf::new();
        /// Sender of every e-mail.
        from: String = "Envoi <envoi@localhost>".to_owned();
    }
    /// What is written about a run.
    telemetry: Telemetry {
        /// Which spans and events: a `tracing` filter. Malformed requests are told only by one that names `actix_http`.
        filter: String = "info".to_owned();
        /// `text` for people, `json` for machines.
        format: String = "text".to_owned();
    }
}

/// A text that may hold a password: never to be shown whole.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Confidential(String);

impl From<&str> for Confidential {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl std::ops::Deref for Confidential {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Confidential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown())
    }
}

impl Confidential {
    /// The text without what is secret in it: of a URL the user and the password are left out, of parameters and of other
    /// texts all, if one of them is a password.
    pub fn shown(&self) -> String {
        match self.0.split_once("://") {
            Some((scheme, rest)) => {
                let (rest, parameters) = match rest.split_once('?') {
                    Some((rest, parameters)) if has_password(parameters) => (rest, "?***".to_owned()),
                    Some((rest, parameters)) => (rest, format!("?{parameters}")),
                    None => (rest, String::new()),
                };
                let (user, place) = match rest.rsplit_once('@') {
                    Some((_, place)) => ("***@", place),
                    None => ("", rest),
                };
                format!("{scheme}://{user}{place}{parameters}")
            }
            None if has_password(&self.0) => "***".to_owned(),
            None => self.0.clone(),
        }
    }
}

fn has_password(parameters: &str) -> bool {
    parameters.to_ascii_lowercase().contains("pass")
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read or has an error; the text names the key.
    #[error("the configuration is not usable: {0}")]
    Invalid(String),
    /// A variable names no key.
    #[error("the variable {variable} sets no configuration key; the nearest is {nearest}")]
    UnknownVariable {
        /// The variable.
        variable: String,
        /// A key that looks like it.
        nearest: String,
    },
}

/// Variables that start like configuration but are not.
const OTHER_VARIABLES: &[&str] =
    &["ENVOI_CONFIG", "ENVOI_HOME", "ENVOI_PASSPHRASE", "ENVOI_PASSWORD", "ENVOI_PROFILE", "ENVOI_SERVER"];

impl Config {
    /// Reads `file` (none: `envoi.toml` if it is there) and the variables given.
    ///
    /// # Errors
    /// When the file is missing, malformed, has an unknown key, or a variable names no key.
    pub fn load(
        file: Option<&Path>,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut builder = ::config::Config::builder();
        builder = match file {
            Some(path) => builder.add_source(::config::File::from(path).format(::config::FileFormat::Toml)),
            None => builder.add_source(
                ::config::File::from(Path::new("envoi.toml"))
                    .format(::config::FileFormat::Toml)
                    .required(false),
            ),
        };
        for (variable, value) in variables {
            if !variable.starts_with("ENVOI_") || is_other(&variable) {
                continue;
            }
            let Some(key) = KEYS.iter().find(|key| key.variable() == variable) else {
                return Err(ConfigError::UnknownVariable { nearest: nearest(&variable), variable });
            };
            builder = builder
                .set_override(key.path(), value)
                .map_err(|error| ConfigError::Invalid(error.to_string()))?;
        }
        builder
            .build()
            .and_then(::config::Config::try_deserialize)
            .map_err(|error| ConfigError::Invalid(without_lines_of_the_file(&error.to_string())))
    }
}

impl Config {
    /// The value of a key, as JSON.
    pub fn value(&self, key: &Key) -> serde_json::Value {
        let pointer = format!("/{}", key.path().replace('.', "/"));
        serde_json::to_value(self).ok().and_then(|all| all.pointer(&pointer).cloned()).unwrap_or_default()
    }

    /// A file that gives this configuration: every key that is not at its default. The values there are (text, numbers,
    /// booleans, lists of texts) are written alike in JSON and TOML.
    pub fn to_toml(&self) -> String {
        let defaults = Self::default();
        let mut text = String::new();
        let mut section = "";
        for key in KEYS.iter().filter(|key| self.value(key) != defaults.value(key)) {
            if key.section != section {
                section = key.section;
                text.push_str(&format!("\n[{section}]\n"));
            }
            text.push_str(&format!("{} = {}\n", key.key, self.value(key)));
        }
        text
    }
}

/// What is wrong with a file, without the lines that are shown with it: a password may stand in them.
fn without_lines_of_the_file(error: &str) -> String {
    let is_quoted = |line: &&str| {
        line.trim_start()
            .trim_start_matches(|digit: char| digit.is_ascii_digit())
            .trim_start()
            .starts_with('|')
    };
    let lines: Vec<_> = error.lines().filter(|line| !is_quoted(line)).collect();
    lines.join("\n")
}

fn is_other(variable: &str) -> bool {
    variable.starts_with("ENVOI_TEST_") || OTHER_VARIABLES.contains(&variable)
}

fn nearest(variable: &str) -> String {
    let common = |key: &Key| key.variable().chars().zip(variable.chars()).take_while(|(a, b)| a == b).count();
    KEYS.iter().max_by_key(|key| common(key)).map(Key::variable).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn a_password_in_a_malformed_file_is_not_repeated() {
        let lines = [
            "transport = \"smtp://me:secret@host",
            "transport = \"smtp://me:secret@host\" \"",
            "transport = [\"smtp://me:secret@host\"]",
            "transport = { url = \"smtp://me:secret@host\" }",
            "transpot = \"smtp://me:secret@host\"",
        ];
        for line in lines {
            let file = file(&format!("[mail]\nfrom = \"Envoi <e@x>\"\n{line}\n"));
            let error = Config::load(Some(file.path()), []).unwrap_err().to_string();
            assert!(!error.contains("secret") && error.len() > 50, "{error}");
        }
    }

    #[test]
    fn variables_win_over_the_file_and_the_file_over_defaults() {
        let file = file("[server]\nlisten = \"127.0.0.1:1\"\nworkers = 3\n");
        let config = Config::load(Some(file.path()), variables(&[("ENVOI_SERVER_WORKERS", "5")])).unwrap();
        assert_eq!(config.server.listen.port(), 1);
        assert_eq!(config.server.workers, 5);
        assert_eq!(config.database.write_connections, Database::default().write_connections);
    }

    #[test]
    fn a_written_configuration_reads_back() {
        let mut config = Config::default();
        config.server.workers = 3;
        config.server.trusted_proxies = "10.0.0.0/8,2001:db8::7".parse().unwrap();
        config.server.forwarded_header = ForwardedHeader::Forwarded;
        config.database.url = Confidential::from("postgres://a \"quoted\" path");
        config.log = "other".into();
        let file = file(&config.to_toml());
        let again = Config::load(Some(file.path()), Vec::new()).unwrap();
        assert_eq!(serde_json::to_value(again).unwrap(), serde_json::to_value(config).unwrap());
    }

    #[test]
    fn proxies_are_a_list_in_the_file_and_a_text_in_the_variable() {
        let listed = file("[server]\ntrusted_proxies = [\"10.0.0.0/8\", \"2001:db8::7\"]\n");
        let listed = Config::load(Some(listed.path()), Vec::new()).unwrap().server.trusted_proxies;
        let variable = variables(&[
            ("ENVOI_SERVER_TRUSTED_PROXIES", "10.0.0.0/8,2001:db8::7"),
            ("ENVOI_SERVER_FORWARDED_HEADER", "x-forwarded-for"),
        ]);
        let told = Config::load(Some(file("").path()), variable).unwrap().server;
        assert_eq!((listed.len(), &listed), (2, &told.trusted_proxies));
        assert_eq!(told.forwarded_header, ForwardedHeader::XForwardedFor);
        let one = variables(&[("ENVOI_SERVER_TRUSTED_PROXIES", "10.0.0.1")]);
        assert_eq!(Config::load(Some(file("").path()), one).unwrap().server.trusted_proxies.len(), 1);
    }

    #[test]
    fn what_is_no_proxy_is_refused_with_its_key() {
        for wrong in [
            "trusted_proxies = [\"everywhere\"]",
            "trusted_proxies = [8]",
            "forwarded_header = \"x-real-ip\"",
        ] {
            let file = file(&format!("[server]\n{wrong}\n"));
            let error = Config::load(Some(file.path()), Vec::new()).unwrap_err().to_string();
            assert!(error.contains(wrong.split(' ').next().unwrap()), "{error}");
        }
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let file = file("[server]\nlisen = \"127.0.0.1:1\"\n");
        let error = Config::load(Some(file.path()), Vec::new()).unwrap_err().to_string();
        assert!(error.contains("lisen"), "{error}");
    }

    #[test]
    fn an_unknown_variable_is_refused_with_the_nearest_key() {
        let file = file("");
        let error = Config::load(Some(file.path()), variables(&[("ENVOI_DATABASE_URI", "x")]))
            .unwrap_err()
            .to_string();
        assert!(error.contains("ENVOI_DATABASE_URL"), "{error}");
    }

    #[test]
    fn a_file_that_was_named_must_be_there() {
        assert!(Config::load(Some(Path::new("/nowhere/envoi.toml")), Vec::new()).is_err());
    }

    #[test]
    fn the_documentation_lists_every_key() {
        let text = include_str!("../docs/configuration.md");
        for key in KEYS {
            assert!(
                text.contains(&format!("`{}`", key.path())),
                "{} is not documented: run envoi config docs",
                key.path()
            );
        }
    }
}
