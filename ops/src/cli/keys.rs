//! `envoi keys`: the root key, and the key that signs access tokens.

use clap::Subcommand;
use commands::auth::signing_keys;
use eventstore_schema::keyring::RootKeyFile;
use serde_json::json;

use super::{CliError, Global};
use crate::runtime::Backend;

/// Arguments of `envoi keys`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Make the root key file that the configuration names; one that is there is never replaced.
    CreateRoot,
    /// Sign access tokens with a new key: every server takes it up within seconds, and nobody is logged out.
    RotateSigning {
        /// Keys are known to others: refuse at once what was signed so far. Clients get new tokens by themselves.
        #[arg(long)]
        compromised: bool,
    },
}

/// Runs `envoi keys`.
pub async fn run(global: &Global, args: Args) -> Result<(), CliError> {
    match args.verb {
        Verb::RotateSigning { compromised } => rotate_signing(global, compromised).await,
        Verb::CreateRoot => {
            let path = global.configuration()?.keys.root_key_file;
            RootKeyFile::create(&path).map_err(|error| {
                CliError::usage(format!("{} was not made", path.display())).because(&error)
            })?;
            global.output.result(&json!({ "created": path }), || {
                format!(
                    "{} is made. Without it nothing personal in the database can be read: keep a copy apart from the database.",
                    path.display()
                )
            });
            Ok(())
        }
    }
}

async fn rotate_signing(global: &Global, compromised: bool) -> Result<(), CliError> {
    let backend = Backend::connect(&global.configuration()?).await?;
    let (executor, clock) = (&backend.services.executor, &backend.parts.clock);
    let version =
        signing_keys::rotate(executor, &backend.keyring, clock, compromised).await.map_err(|error| {
            CliError::failed("the signing key is not rotated")
                .because(&error)
                .hint("run it again: what was recorded is carried on with")
        })?;
    global.output.result(&json!({ "version": version, "compromised": compromised }), || {
        let before = match compromised {
            true => "what was signed before is refused",
            false => "the one before is published until the last token that it signed has expired",
        };
        format!("Version {version} of the signing key is made. Servers take it up within seconds; {before}.")
    });
    Ok(())
}
