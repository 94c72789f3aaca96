//! `envoi log adopt`: goes on with a log that was restored from a backup.

use commands::reactions;
use eventstore_schema::database::Connection;
use eventstore_schema::{Incarnation, Position, lease};
use serde_json::json;

use crate::cli::confirm::confirm;
use crate::cli::progress::Bar;
use crate::cli::{CliError, Global, Output};
use crate::runtime::{self, Backend};

/// Arguments of `envoi log adopt`.
#[derive(clap::Args)]
pub struct Args {
    /// Every server of the installation is stopped, and the log is the one to go on with: do not ask.
    #[arg(long)]
    yes: bool,
}

/// Runs `envoi log adopt`.
pub async fn run(global: &Global, args: Args) -> Result<(), CliError> {
    let backend = Backend::connect(&runtime::as_owner(global.configuration()?)).await?;
    nobody_leads(&backend).await?;
    let unreadable =
        |error: &eventstore_schema::LogError| CliError::unavailable("the log cannot be read").because(error);
    let old = backend.log.head().await.map_err(|error| unreadable(&error))?;
    let end = old
        .position
        .map_or("without events".to_owned(), |end| format!("that ends at position {}", end.get()));
    confirm(
        &format!(
            "Everybody will be told that this log, {end}, is another one than they knew: clients begin anew, read models\n\
             have to be rebuilt. Every server of the installation has to be stopped."
        ),
        "Are they stopped, and is this the log to go on with?",
        args.yes,
    )?;
    let incarnation = Incarnation(backend.parts.clock.new_id());
    backend.log.adopt(incarnation).await.map_err(|error| {
        CliError::failed("the log was not given another name")
            .because(&error)
            .hint("its owner has to do it: `database.migrate_url`, as for `envoi migrate`")
    })?;
    let reactions = reactions::adopt(&backend.parts.pool, incarnation, old.position)
        .await
        .map_err(|error| unfinished("the reactions do not follow it", &error))?;
    let write = write_side(&backend, old.position, global.output).await?;
    let value = json!({
        "engine": backend.log.engine(), "incarnation": incarnation.0, "before": old.incarnation.0,
        "position": old.position, "reactions_set_back": reactions.set_back,
        "parked_forgotten": reactions.forgotten, "index_events": write.indexed, "reservations_restored": write.restored,
        "reservations_removed": write.removed,
    });
    global.output.result(&value, || {
        format!(
            "The log {end} is now {}, before it was {}.\n\
             {} reactions had been further, {} events that it does not have were set aside. Of addresses {} reservations were \
             missing, and {} were for accounts that it does not have.\n\
             Next: `envoi projections rebuild`, `envoi log verify --rules`, then start the servers.",
            incarnation.0, old.incarnation.0, reactions.set_back, reactions.forgotten, write.restored, write.removed
        )
    });
    Ok(())
}

/// Adopting did not come to its end, which repeating it does.
fn unfinished(what: &str, error: &(dyn std::error::Error + 'static)) -> CliError {
    CliError::failed(format!("the log is adopted, but {what}"))
        .because(error)
        .hint("repeat `envoi log adopt`")
}

/// What became of the write side's tables.
struct WriteSide {
    /// Events that made rows of the indexes.
    indexed: u64,
    /// Reservations that were missing.
    restored: u64,
    /// Reservations for accounts that the log does not have.
    removed: u64,
}

/// Makes all of schema `write` as the log has it.
async fn write_side(backend: &Backend, end: Option<Position>, output: Output) -> Result<WriteSide, CliError> {
    let bar = Bar::new(output);
    let report = |at: Position| bar.at(at.get(), end.map_or(0, Position::get));
    let accounts = &backend.services.accounts;
    let indexed = reactions::rebuild_indexes(&backend.parts.pool, &*backend.log, &report)
        .await
        .map_err(|error| unfinished("what reactions look up is not as it has it", &error))?;
    let unreserved = "addresses are not reserved as it has them";
    let restored =
        accounts.rebuild_reservations(&report).await.map_err(|error| unfinished(unreserved, &error))?;
    bar.finish();
    let removed =
        accounts.remove_lost_reservations().await.map_err(|error| unfinished(unreserved, &error))?;
    Ok(WriteSide { indexed, restored, removed })
}

/// Refuses as long as a server leads something: it would go on with the log as it knew it.
async fn nobody_leads(backend: &Backend) -> Result<(), CliError> {
    let failed = |error: &(dyn std::error::Error + 'static)| {
        CliError::unavailable("whether servers run cannot be told").because(error)
    };
    let client: Connection = backend.parts.pool.get().await.map_err(|error| failed(&error))?;
    let client = client.client().map_err(|error| failed(&error))?;
    let holders = lease::holders(client).await.map_err(|error| failed(&error))?;
    let Some((lease, holder)) = holders.first_key_value() else { return Ok(()) };
    Err(CliError::failed(format!("nothing was done: {holder} leads {lease}"))
        .hint("stop every server of the installation first; who was killed counts for 6 s more"))
}
