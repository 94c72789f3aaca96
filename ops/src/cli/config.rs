//! `envoi config`: check, show and document the configuration.

use clap::Subcommand;
use serde_json::json;

use super::{CliError, Global};
use crate::config::{Config, KEYS};
use crate::runtime::engine;

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
            engine::check(&global.configuration()?)?;
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
    for secret in [&mut config.log, &mut config.database.url, &mut config.mail.transport] {
        if let Some(at) = secret.rfind('@') {
            let scheme = secret.find("://").map_or(0, |place| place + 3);
            secret.replace_range(scheme..at, "***");
        }
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
        let mut config = Config::default();
        config.database.url = "postgres://me:secret@db/envoi".to_owned();
        config.mail.transport = "smtp://u:secret@host:25".to_owned();
        config.log = "esdb://u:secret@host:2113?tls=false".to_owned();
        redact(&mut config);
        assert_eq!(config.log, "esdb://***@host:2113?tls=false");
        assert_eq!(config.database.url, "postgres://***@db/envoi");
        assert!(!config.mail.transport.contains("secret"));
    }
}
