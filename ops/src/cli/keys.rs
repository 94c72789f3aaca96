//! `envoi keys`: the root key.

use clap::Subcommand;
use eventstore_schema::keyring::RootKeyFile;
use serde_json::json;

use super::{CliError, Global};

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
}

/// Runs `envoi keys`.
pub fn run(global: &Global, args: Args) -> Result<(), CliError> {
    match args.verb {
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
