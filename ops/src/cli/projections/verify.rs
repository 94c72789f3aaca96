//! `envoi projections verify`: read models compared with the log, and their relations with their definitions.

use projections::{Difference, RebuildProgress, Verified};
use serde_json::{Value, json};

use super::{Which, chosen, stores};
use crate::cli::progress::Bar;
use crate::cli::text::printable;
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
    let equal = verified.iter().all(Verified::is_equal);
    let value: Vec<Value> = verified.iter().map(as_json).collect();
    global
        .output
        .result(&json!({ "equal": equal, "projections": value }), || verified.iter().map(as_text).collect());
    refuse(&verified)
}

fn as_json(one: &Verified) -> Value {
    let tables = one.tables.iter().map(|table| {
        json!({
            "table": table.table, "equal": table.live == table.rebuilt, "live": table.live.to_string(),
            "rebuilt": table.rebuilt.to_string(), "differing": table.differing,
        })
    });
    let differences = one.differences.iter().map(|one| {
        json!({ "object": one.object, "aspect": one.aspect, "expected": one.expected, "found": one.found })
    });
    let parked = one.parked.iter().map(|stream| {
        json!({ "stream": stream.stream, "position": stream.position.get(), "events": stream.events })
    });
    json!({
        "projection": one.projection, "position": one.position.map(|at| at.get()), "equal": one.is_equal(),
        "tables": tables.collect::<Vec<_>>(), "differences": differences.collect::<Vec<_>>(),
        "parked": parked.collect::<Vec<_>>(),
    })
}

fn as_text(one: &Verified) -> String {
    let mut text = String::new();
    let mut line = |object: &str, word: &str, rest: &str| {
        text.push_str(format!("{:<16} {object:<32} {word} {rest}", one.projection).trim_end());
        text.push('\n');
    };
    for table in &one.tables {
        let word = if table.live == table.rebuilt { "equal" } else { "DIFFERS" };
        line(table.table, word, &table.differing.join(" "));
    }
    for Difference { object, aspect, expected, found } in &one.differences {
        let said = match (expected, found) {
            (Some(expected), Some(found)) => format!("{aspect}: {found} in place of {expected}"),
            (Some(expected), None) => format!("{aspect}: missing ({expected})"),
            (None, found) => {
                format!("{aspect}: should not be there ({})", found.as_deref().unwrap_or_default())
            }
        };
        line(object, "DIFFERS", &printable(&said));
    }
    for stream in &one.parked {
        let (position, events) = (stream.position, stream.events);
        line(&stream.stream, "PARKED", &format!("from position {position} on, {events} events wait"));
    }
    if one.tables.is_empty() && one.is_equal() {
        line("what all share", "equal", "");
    }
    text
}

fn refuse(verified: &[Verified]) -> Result<(), CliError> {
    if verified.iter().all(Verified::is_equal) {
        return Ok(());
    }
    let is_parked_only = verified.iter().all(|one| one.is_equal() || is_parked(one));
    Err(if is_parked_only {
        CliError::check_failed("streams are parked: read models lack what is in them")
            .hint("`envoi projections parked` says why; see runbooks/parked-streams.md")
    } else {
        CliError::check_failed("read models differ from the log or from their definitions").hint(
            "`envoi projections rebuild` makes rows, tables, policies and views anew; see runbooks/verify.md",
        )
    })
}

/// Whether nothing else is wrong.
fn is_parked(one: &Verified) -> bool {
    !one.parked.is_empty()
        && one.differences.is_empty()
        && one.tables.iter().all(|table| table.live == table.rebuilt)
}
