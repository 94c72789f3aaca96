//! `envoi schema`: the catalogue of events as JSON Schema, and their golden samples.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use super::{CliError, Global};

/// Arguments of `envoi schema`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Write a JSON Schema for each event.
    Export {
        /// Into this directory.
        #[arg(default_value = "eventstore-schema/catalogue")]
        directory: PathBuf,
    },
    /// Write golden samples for stored forms that have none; those that are there are never changed.
    Golden {
        /// Into this directory.
        #[arg(default_value = "eventstore-schema/golden")]
        directory: PathBuf,
    },
}

/// Runs `envoi schema`.
pub fn run(global: &Global, args: Args) -> Result<(), CliError> {
    let (verb, directory, files) = match args.verb {
        Verb::Export { directory } => {
            let files = eventstore_schema::schema::export(&directory)
                .map_err(|error| CliError::failed("the schemas could not be written").because(&error))?;
            ("written", directory, files)
        }
        Verb::Golden { directory } => {
            let files = eventstore_schema::golden::write_missing(&directory)
                .map_err(|error| CliError::failed("the samples could not be written").because(&error))?;
            ("added", directory, files)
        }
    };
    global.output.result(&json!({ verb: files }), || {
        format!("{} files {verb} in {}", files.len(), directory.display())
    });
    Ok(())
}
