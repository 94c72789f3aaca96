//! `envoi projections verify`: read models compared with the log.

use projections::RebuildProgress;
use serde_json::{Value, json};

use super::{Which, chosen, stores};
use crate::cli::progress::Bar;
use crate::cli::{CliError, Global};

/// Arguments of `envoi projections verify`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    which: Which,
}

/// Runs `envoi projections verify`.
pub async fn run(global: &Global, args: Args) -> Result<(), CliError> {
    let chosen = chosen(&args.which)?;
    let (database, log) = stores(global).await?;
    let bar = Bar::new(global.output);
    let report = |at: RebuildProgress| bar.at(at.events, at.events_total);
    let verified = projections::verify(&database, log, chosen, &report)
        .await
        .map_err(|error| CliError::failed("nothing could be compared").because(&error))?;
    bar.finish();
    let value: Vec<Value> = verified
        .iter()
        .map(|one| {
            let tables: Vec<Value> = one.tables.iter().map(|table| json!({
                "table": table.table, "equal": table.live == table.rebuilt, "live": table.live.to_string(),
                "rebuilt": table.rebuilt.to_string(), "differing": table.differing,
            })).collect();
            json!({ "projection": one.projection, "position": one.position.map(|at| at.get()), "equal": one.is_equal(), "tables": tables })
        })
        .collect();
    let equal = verified.iter().all(projections::Verified::is_equal);
    global.output.result(&json!({ "equal": equal, "projections": value }), || {
        let mut text = String::new();
        for one in &verified {
            for table in &one.tables {
                let word = if table.live == table.rebuilt { "equal" } else { "DIFFERS" };
                text.push_str(&format!(
                    "{:<16} {:<30} {word} {}\n",
                    one.projection,
                    table.table,
                    table.differing.join(" ")
                ));
            }
        }
        text
    });
    if equal {
        Ok(())
    } else {
        Err(CliError::check_failed("read models differ from the log")
            .hint("`envoi projections rebuild` builds them anew"))
    }
}
