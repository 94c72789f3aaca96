//! The command line: one verb, one file, one line in [`Verb`].

mod bench;
mod client;
mod config;
mod confirm;
mod demo;
mod dev;
mod doctor;
#[cfg(test)]
mod documented;
mod error;
mod keys;
mod log;
mod migrate;
mod output;
pub mod progress;
mod projections;
mod reactions;
mod reservations;
mod schema;
mod serve;
mod telemetry;
pub mod text;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use error::CliError;
pub use output::Output;

/// Event-sourced, end-to-end-encrypted, multi-tenant messaging.
#[derive(Parser)]
#[command(name = "envoi", version, propagate_version = true)]
struct Cli {
    /// Configuration file; without it `envoi.toml` in this directory, if there is one.
    #[arg(long, global = true, env = "ENVOI_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON for machines instead of text for people.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

/// What is the same for every verb.
pub struct Global {
    /// Configuration file, if one was named.
    pub config: Option<PathBuf>,
    /// Where results go.
    pub output: Output,
}

impl Global {
    /// Reads the configuration.
    ///
    /// # Errors
    /// As [`crate::config::Config::load`].
    pub fn configuration(&self) -> Result<crate::config::Config, CliError> {
        crate::config::Config::load(self.config.as_deref(), std::env::vars()).map_err(|error| {
            CliError::usage(error.to_string())
                .hint("`envoi config docs` lists every key; `envoi config check` checks a file")
        })
    }
}

#[derive(Subcommand)]
enum Verb {
    /// Measure on this machine.
    Bench(bench::Args),
    /// Use a server as a person or bot does.
    Client(client::Args),
    /// Check, show and document the configuration.
    Config(config::Args),
    /// Play a transcript with real clients, and check everything on the way.
    Demo(demo::Args),
    /// Run a private installation: PostgreSQL, server, e-mails in a folder.
    Dev(dev::Args),
    /// Find what is wrong with an installation and how to mend it.
    Doctor(doctor::Args),
    /// Make the root key; rotate the one that signs access tokens.
    Keys(keys::Args),
    /// Verify the log; copy it into another engine; adopt one that was restored.
    Log(log::Args),
    /// Bring the database to the form of this release.
    Migrate(migrate::Args),
    /// Show, rebuild and verify the read models; decide about what they could not fold.
    Projections(projections::Args),
    /// Show how far the reactions are, and what they could not answer.
    Reactions(reactions::Args),
    /// Restore the reservations of addresses from the log.
    Reservations(reservations::Args),
    /// Export the catalogue of events.
    Schema(schema::Args),
    /// Run a server.
    Serve(serve::Args),
}

/// Parses the command line and runs the verb.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let global = Global { config: cli.config, output: Output::new(cli.json) };
    let result = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::failed("the runtime did not start").because(&error))
        .and_then(|runtime| runtime.block_on(run(&global, cli.verb)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            global.output.error(&error);
            error.exit_code()
        }
    }
}

async fn run(global: &Global, verb: Verb) -> Result<(), CliError> {
    match verb {
        Verb::Bench(args) => bench::run(global, args).await,
        Verb::Client(args) => client::run(global, args).await,
        Verb::Config(args) => config::run(global, args),
        Verb::Demo(args) => demo::run(global, args).await,
        Verb::Dev(args) => dev::run(global, args).await,
        Verb::Doctor(args) => doctor::run(global, args).await,
        Verb::Keys(args) => keys::run(global, args).await,
        Verb::Log(args) => log::run(global, args).await,
        Verb::Migrate(args) => migrate::run(global, args).await,
        Verb::Projections(args) => projections::run(global, args).await,
        Verb::Reactions(args) => reactions::run(global, args).await,
        Verb::Reservations(args) => reservations::run(global, args).await,
        Verb::Schema(args) => schema::run(global, args),
        Verb::Serve(args) => serve::run(global, args).await,
    }
}
