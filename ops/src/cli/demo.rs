//! `envoi demo`: plays a transcript with one real client for each person, and checks everything on the way.

use std::path::PathBuf;
use std::time::Duration;

use super::{CliError, Global, serve, telemetry};
use crate::config::Telemetry;
use crate::demo::script::{LoadError, Script};
use crate::demo::stage::{Elsewhere, Stage};
use crate::demo::{self, Summary};
use crate::runtime::scratch::LogChoice;

/// Arguments of `envoi demo`.
#[derive(clap::Args)]
pub struct Args {
    /// Transcript: lines `NAME: text`, empty lines, comments that begin with `#`. Without it one that comes along.
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// Play on a server that runs already instead of a private one. When the configuration names its database, it is looked
    /// how far its read models are.
    #[arg(long, env = "ENVOI_SERVER", value_name = "URL", requires = "mail_dir")]
    server: Option<String>,
    /// The folder that this server writes e-mails to.
    #[arg(long, value_name = "DIRECTORY", requires = "server")]
    mail_dir: Option<PathBuf>,
    /// Build all read models of that server anew when the play is over, and compare: the whole log is read, and queries change
    /// over to the new ones. The configuration has to name its database. Those of a private server always are.
    #[arg(long, requires = "server")]
    rebuild: bool,
    /// Give up after so many seconds.
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
    /// What server and clients say of themselves on standard error: a `tracing` filter.
    #[arg(long, default_value = "error", value_name = "FILTER")]
    trace: String,
}

/// Runs `envoi demo`.
pub async fn run(global: &Global, args: Args) -> Result<(), CliError> {
    let script = load(&args)?;
    telemetry::start(&Telemetry { filter: args.trace.clone(), ..Telemetry::default() })?;
    // From here on a signal does not end the process in the midst of starting PostgreSQL; it is heeded right after.
    let mut stop = tokio::spawn(serve::until_asked_to_stop());
    let stage = match (args.server, args.mail_dir) {
        (Some(url), Some(mail_directory)) => {
            let (config, rebuilds) = (global.configuration()?, args.rebuild);
            Stage::elsewhere(Elsewhere { url, mail_directory, config, rebuilds }).await?
        }
        _ => {
            global.output.step("Starting a private PostgreSQL and a server of its own");
            Stage::private(&LogChoice::of(&global.configuration()?)).await?
        }
    };
    let limit = Duration::from_secs(args.timeout);
    let played = tokio::select! {
        played = tokio::time::timeout(limit, demo::play(&stage, &script, global.output)) => {
            played.unwrap_or_else(|_| {
                Err(CliError::check_failed(format!("the play was not over after {} s", args.timeout))
                    .hint("--timeout gives it longer"))
            })
        }
        stopped = &mut stop => match stopped {
            Ok(Err(error)) => Err(error),
            Ok(Ok(())) | Err(_) => Err(CliError::failed("the play was broken off")),
        }
    };
    stop.abort();
    let closed = stage.close().await;
    let summary = played?;
    closed?;
    global.output.result(&summary, || summary.text());
    verdict(&summary)
}

fn load(args: &Args) -> Result<Script, CliError> {
    Script::load(args.script.as_deref()).map_err(|error| {
        let path = args.script.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        let refused = CliError::usage(format!("{path} cannot be played")).because(&error);
        match error {
            LoadError::Read(_) => refused,
            LoadError::Script(_) => refused.hint("a script has lines `NAME: text`"),
        }
    })
}

fn verdict(summary: &Summary) -> Result<(), CliError> {
    match summary.failures.len() {
        0 => Ok(()),
        failures => Err(CliError::check_failed(format!("{failures} checks failed: see above"))),
    }
}
