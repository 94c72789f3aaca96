//! `envoi reservations rebuild`: reservations of addresses restored from the log.

use eventstore_schema::Position;
use serde_json::json;

use crate::cli::progress::Bar;
use crate::cli::{CliError, Global};
use crate::runtime::Backend;

/// Arguments of `envoi reservations rebuild`.
#[derive(clap::Args)]
pub struct Args {}

/// Runs `envoi reservations rebuild`.
pub async fn run(global: &Global, _args: Args) -> Result<(), CliError> {
    let backend = Backend::connect(&global.configuration()?).await?;
    if let Some(refusal) = backend.log.refusal() {
        return Err(CliError::failed(format!("nothing was restored: {refusal}"))
            .hint("`envoi log adopt` restores them, too; ops/docs/runbooks/backup-restore.md"));
    }
    let unreadable = |error| CliError::unavailable("the log cannot be read").because(&error);
    let end = backend.log.head().await.map_err(unreadable)?.position;
    let bar = Bar::new(global.output);
    let total = end.map_or(0, Position::get);
    let report = |at: Position| bar.at(at.get(), total);
    let restored = backend.services.accounts.rebuild_reservations(&report).await.map_err(|error| {
        CliError::failed("the reservations that were restored stay, others are missing")
            .because(&error)
            .hint("repeat it")
    })?;
    bar.finish();
    let value = json!({ "position": end, "reservations_restored": restored });
    global.output.result(&value, || match restored {
        0 => "No reservation of an address was missing.".to_owned(),
        1 => "One reservation of an address was missing, and is there again.".to_owned(),
        many => format!("{many} reservations of addresses were missing, and are there again."),
    });
    Ok(())
}
