//! `envoi reactions`: how far each reaction is, and the events that it set aside because it could not answer them.

use commands::reactions::{self, ReactionStatus, Reactions};
use serde_json::{Value, json};

use super::{CliError, Global, text};
use crate::runtime::Backend;

/// Arguments of `envoi reactions`.
#[derive(clap::Args)]
pub struct Args {}

/// Runs `envoi reactions`.
pub async fn run(global: &Global, _args: Args) -> Result<(), CliError> {
    let backend = Backend::connect(&global.configuration()?).await?;
    let all = reactions::all(&backend.services, &backend.parts);
    let unreadable = |error| CliError::unavailable("the reactions cannot be read").because(&error);
    let rows = Reactions::new(all, backend.parts).status().await.map_err(unreadable)?;
    let value: Vec<Value> = rows.iter().map(value).collect();
    global.output.result(&json!({ "reactions": value }), || {
        let head = ["REACTION", "POSITION", "SET ASIDE", "LED BY"].map(str::to_owned).to_vec();
        let cells = |row: &ReactionStatus| {
            let position = row.position.map_or_else(|| "-".to_owned(), |at| at.to_string());
            let leader = row.led_by.clone().unwrap_or_else(|| "-".to_owned());
            vec![row.reaction.clone(), position, row.parked.len().to_string(), leader]
        };
        let mut report =
            text::table(&std::iter::once(head).chain(rows.iter().map(cells)).collect::<Vec<_>>());
        for row in &rows {
            for event in &row.parked {
                report.push_str(&format!(
                    "set aside: {} at position {} of {}, tried {} times: {}\n",
                    row.reaction,
                    event.position,
                    event.stream,
                    event.attempts,
                    text::one_line(&event.reason)
                ));
            }
        }
        report
    });
    Ok(())
}

fn value(row: &ReactionStatus) -> Value {
    let parked = row.parked.iter().map(|event| {
        json!({
            "position": event.position.get(), "stream": event.stream.to_string(), "attempts": event.attempts,
            "error": event.reason,
        })
    });
    json!({
        "reaction": row.reaction, "position": row.position.map(|at| at.get()), "parked": parked.collect::<Vec<_>>(),
        "led_by": row.led_by,
    })
}
