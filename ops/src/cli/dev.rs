//! `envoi dev`: a whole private installation in one directory, with one command.

use std::path::PathBuf;

use super::{CliError, Global, serve, telemetry};
use crate::runtime::private::Private;
use crate::runtime::server::{Role, Server};

/// Arguments of `envoi dev`.
#[derive(clap::Args)]
pub struct Args {
    /// Everything lies in this directory: PostgreSQL, root key, e-mails.
    #[arg(long, default_value = ".envoi", value_name = "DIRECTORY")]
    directory: PathBuf,
}

/// Runs `envoi dev`.
pub async fn run(global: &Global, args: Args) -> Result<(), CliError> {
    let base = global.configuration()?;
    telemetry::start(&base.telemetry)?;
    global.output.note("starting a private PostgreSQL");
    let private = Private::start(&args.directory).await?;
    let (listen, metrics_listen) = (base.server.listen, base.server.metrics_listen);
    let config = private.configuration(base, listen, metrics_listen);
    let server = match Server::start(&config, Role::ALL).await {
        Ok(server) => server,
        Err(error) => {
            private.stop().await?;
            return Err(error);
        }
    };
    let file = private.write_configuration(&config)?;
    serve::announce(global, &server);
    global.output.note(format!("other verbs reach it with `--config {}`", file.display()));
    global.output.note(format!("e-mails are written to {}", private.mail_directory().display()));
    let stopped = serve::until_asked_to_stop().await;
    serve::stop(global, server).await;
    private.stop().await?;
    stopped
}
