//! `envoi reactions list`: the events that were set aside.

use commands::reactions::ParkedEvent;
use eventstore_schema::Position;
use serde_json::{Value, json};

use super::{known, open, unreadable};
use crate::cli::{CliError, Global, text};

/// Arguments of `envoi reactions list`.
#[derive(clap::Args)]
pub struct Args {
    /// Of these reactions; of all without any.
    #[arg(value_name = "REACTION")]
    names: Vec<String>,
    /// Only events behind this position: the last one of the page before.
    #[arg(long, value_name = "POSITION")]
    after: Option<u64>,
    /// About how many: a page does not end within a position.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    limit: u32,
}

/// Runs `envoi reactions list`.
pub async fn run(global: &Global, args: Args) -> Result<(), CliError> {
    let (_backend, reactions) = open(global).await?;
    let chosen: Vec<&str> = match args.names.is_empty() {
        true => reactions.names(),
        false => args.names.iter().map(|name| known(&reactions, name)).collect::<Result<_, _>>()?,
    };
    let after = args.after.map(Position::new);
    let rows = reactions.parked(&chosen, after, args.limit).await.map_err(|error| unreadable(&error))?;
    let is_full = rows.len() >= usize::try_from(args.limit).unwrap_or(usize::MAX);
    let next = rows.last().filter(|_| is_full).map(|last| last.position);
    let value = json!({
        "parked": rows.iter().map(value).collect::<Vec<Value>>(), "next_after": next.map(|at| at.get()),
    });
    global.output.result(&value, || {
        if rows.is_empty() {
            return "Nothing is set aside.".to_owned();
        }
        let head = [
            "REACTION",
            "POSITION",
            "EVENT TYPE",
            "IN ORDER WITH",
            "ATTEMPTS",
            "WAITING",
            "SINCE",
            "NEXT TRY",
            "ERROR",
        ];
        let head = head.map(str::to_owned).to_vec();
        let mut report =
            text::table(&std::iter::once(head).chain(rows.iter().map(cells)).collect::<Vec<_>>());
        if let Some(next) = next {
            report.push_str(&format!("There may be more: `--after {next}`.\n"));
        }
        report
    });
    Ok(())
}

fn cells(row: &ParkedEvent) -> Vec<String> {
    vec![
        row.reaction.clone(),
        row.position.to_string(),
        text::printable(&row.event_type),
        row.ordering_key.to_string(),
        row.attempts.to_string(),
        row.waiting.to_string(),
        text::time(row.since),
        row.retry_at.map_or_else(|| "-".to_owned(), text::time),
        text::printable(row.reason.as_deref().unwrap_or("-")),
    ]
}

/// An event that was set aside, for machines.
pub fn value(row: &ParkedEvent) -> Value {
    json!({
        "reaction": row.reaction, "position": row.position.get(), "event_id": row.event_id.to_string(),
        "event_type": row.event_type, "stream": row.stream.to_string(), "revision": row.revision.get(),
        "ordering_key": row.ordering_key.to_string(), "attempts": row.attempts, "error": row.reason,
        "since": text::time(row.since), "retry_at": row.retry_at.map(text::time), "waiting": row.waiting,
    })
}
