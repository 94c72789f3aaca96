//! `envoi reactions status`: how far each reaction is.

use commands::reactions::ReactionStatus;
use serde_json::{Value, json};

use super::{open, unreadable};
use crate::cli::{CliError, Global, text};

/// Runs `envoi reactions status`.
pub async fn run(global: &Global) -> Result<(), CliError> {
    let (_backend, reactions) = open(global).await?;
    let rows = reactions.status().await.map_err(|error| unreadable(&error))?;
    let value: Vec<Value> = rows.iter().map(value).collect();
    global.output.result(&json!({ "reactions": value }), || {
        let head = ["REACTION", "POSITION", "SET ASIDE", "SINCE", "LED BY"].map(str::to_owned).to_vec();
        let mut report =
            text::table(&std::iter::once(head).chain(rows.iter().map(cells)).collect::<Vec<_>>());
        if rows.iter().any(|row| row.parked.events > 0) {
            report.push_str("`envoi reactions list` shows what was set aside and why.\n");
        }
        report
    });
    Ok(())
}

fn cells(row: &ReactionStatus) -> Vec<String> {
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    vec![
        row.reaction.clone(),
        or_none(row.position.map(|at| at.to_string())),
        row.parked.events.to_string(),
        or_none(row.parked.oldest.map(text::time)),
        or_none(row.led_by.clone()),
    ]
}

fn value(row: &ReactionStatus) -> Value {
    json!({
        "reaction": row.reaction, "position": row.position.map(|at| at.get()), "led_by": row.led_by,
        "parked_events": row.parked.events, "parked_since": row.parked.oldest.map(text::time),
    })
}
