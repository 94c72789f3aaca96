//! `envoi config`: check, show and document the configuration.

use clap::Subcommand;
use serde_json::json;

use super::{CliError, Global};
use crate::config::{Confidential, Config, KEYS};

/// Arguments of `envoi config`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Check the file and the variables, without starting anything.
    Check,
    /// Show the configuration in force; secrets are left out.
    Show,
    /// Print the documentation of every key as Markdown.
    Docs,
}

/// Runs `envoi config`.
pub fn run(global: &Global, args: Args) -> Result<(), CliError> {
    match args.verb {
        Verb::Check => {
            let config = global.configuration()?;
            crate::runtime::check(&config)?;
            global.output.result(&json!({ "valid": true }), || "The configuration is valid.".to_owned());
        }
        Verb::Show => {
            let mut config = global.configuration()?;
            redact(&mut config);
            global.output.result(&config, || {
                let mut text = String::new();
                for key in KEYS {
                    let value = config.value(key);
                    text.push_str(&format!("{} = {value}\n", key.path()));
                }
                text
            });
        }
        Verb::Docs => {
            let text = documentation();
            global.output.result(&json!({ "markdown": text }), || text.clone());
        }
    }
    Ok(())
}

fn redact(config: &mut Config) {
    let database = &mut config.database;
    for secret in [&mut config.log, &mut database.url, &mut database.migrate_url, &mut config.mail.transport]
    {
        *secret = Confidential::from(secret.shown().as_str());
    }
}

fn documentation() -> String {
    let defaults = Config::default();
    let mut text = String::from(
        "# Configuration\n\nOne TOML file (`--config FILE`, `ENVOI_CONFIG`, or `envoi.toml` in the working directory), then variables, \
         which win.\nUnknown keys and variables are refused. This page is printed by `envoi config docs`.\n\n\
         | key | variable | default | meaning |\n| --- | --- | --- | --- |\n",
    );
    for key in KEYS {
        let default = defaults.value(key);
        let meaning: Vec<&str> = key.meaning.iter().map(|line| line.trim()).collect();
        text.push_str(&format!(
            "| `{}` | `{}` | `{default}` | {} |\n",
            key.path(),
            key.variable(),
            meaning.join(" ")
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_page_is_the_printed_one() {
        assert_eq!(include_str!("../../docs/configuration.md").trim_end(), documentation().trim_end());
    }

    #[test]
    fn secrets_are_not_shown() {
        let shown = |database: &str, mail: &str| {
            let log = Confidential::from("esdb://u:secret@host:2113?tls=false");
            let mut config = Config { log, ..Config::default() };
            config.database.url = Confidential::from(database);
            config.database.migrate_url = Confidential::from(database);
            config.mail.transport = Confidential::from(mail);
            assert!(!format!("{config:?}").contains("secret"));
            redact(&mut config);
            assert!(!serde_json::to_string(&config).unwrap().contains("secret"));
            assert_eq!(&*config.log, "esdb://***@host:2113?tls=false");
            (config.database.url.to_string(), config.mail.transport.to_string())
        };
        let (database, mail) =
            shown("postgres://me:secret@db/envoi", "smtp://u:sec/secret@host:25?tls=required");
        assert_eq!(
            (database.as_str(), mail.as_str()),
            ("postgres://***@db/envoi", "smtp://***@host:25?tls=required")
        );
        let (database, mail) = shown("postgres:///envoi?host=/run&password=secret", "file:mail");
        assert_eq!((database.as_str(), mail.as_str()), ("postgres:///envoi?***", "file:mail"));
        assert_eq!(shown("host=/run user=me password=secret", "smtp://host").0, "***");
        assert_eq!(shown("host=/run user=me", "smtp://host").0, "host=/run user=me");
    }
}
