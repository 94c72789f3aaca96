//! `envoi projections parked`: the streams that projections have put aside.

use projections::ParkedStream;
use serde_json::{Value, json};

use super::{Which, chosen, unreadable};
use crate::cli::{CliError, Global, text};
use crate::runtime;

/// Arguments of `envoi projections parked`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    which: Which,
}

/// Runs `envoi projections parked`.
pub async fn run(global: &Global, args: Args) -> Result<(), CliError> {
    let chosen = chosen(&args.which)?;
    let database = runtime::database(&global.configuration()?)?;
    let mut rows = projections::parked(&database).await.map_err(|error| unreadable(&error))?;
    rows.retain(|row| chosen.iter().any(|one| one.name() == row.projection));
    global.output.result(&json!({ "parked": rows.iter().map(value).collect::<Vec<Value>>() }), || {
        if rows.is_empty() {
            return "Nothing is parked: every event was folded.".to_owned();
        }
        let head =
            ["PROJECTION", "STREAM", "POSITION", "EVENT TYPE", "ATTEMPTS", "WAITING", "SINCE", "ERROR"];
        let head = head.map(str::to_owned).to_vec();
        text::table(&std::iter::once(head).chain(rows.iter().map(cells)).collect::<Vec<_>>())
    });
    Ok(())
}

fn cells(row: &ParkedStream) -> Vec<String> {
    vec![
        row.projection.clone(),
        row.stream.clone(),
        row.position.to_string(),
        row.event_type.clone(),
        row.attempts.to_string(),
        row.events.to_string(),
        text::time(row.since),
        text::printable(&row.reason),
    ]
}

/// A parked stream for machines.
pub fn value(row: &ParkedStream) -> Value {
    json!({
        "projection": row.projection, "stream": row.stream, "position": row.position.get(),
        "event_type": row.event_type, "attempts": row.attempts, "error": row.reason,
        "since": text::time(row.since), "events": row.events,
    })
}
