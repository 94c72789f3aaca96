//! `envoi projections status`: where each projection is.

use serde_json::{Value, json};

use super::{parked, stores, unreadable};
use crate::cli::{CliError, Global};

/// Arguments of `envoi projections status`.
#[derive(clap::Args)]
pub struct Args {}

/// Runs `envoi projections status`.
pub async fn run(global: &Global, _args: Args) -> Result<(), CliError> {
    let (database, log) = stores(global).await?;
    let rows = projections::status(&database, &*log).await.map_err(|error| unreadable(&error))?;
    let parked = projections::parked(&database).await.map_err(|error| unreadable(&error))?;
    let value = json!({
        "projections": rows.iter().map(|row| json!({
            "projection": row.projection, "current": row.is_current, "generation": row.generation, "state": row.state,
            "position": row.position.map(|at| at.get()), "lag": row.lag, "parked_streams": row.parked_streams,
            "parked_events": row.parked_events, "error": row.error, "led_by": row.led_by, "rebuilt_by": row.rebuilt_by,
        })).collect::<Vec<Value>>(),
        "parked": parked.iter().map(parked::value).collect::<Vec<Value>>(),
    });
    global.output.result(&value, || {
        if rows.is_empty() {
            return "No projection has run yet: `envoi serve` or `envoi projections rebuild` starts them."
                .to_owned();
        }
        let mut text = format!(
            "{:<16} {:>10} {:<11} {:>12} {:>8} {:>7}  {}\n",
            "PROJECTION", "GENERATION", "STATE", "POSITION", "LAG", "PARKED", "LED BY"
        );
        for row in &rows {
            let position = row.position.map_or_else(|| "-".to_owned(), |at| at.to_string());
            let more = if row.lag >= projections::LAG_EVENTS_MAX { "+" } else { "" };
            let lag = format!("{}{more}", row.lag);
            let leader = row.led_by.as_deref().unwrap_or("-");
            text.push_str(&format!(
                "{:<16} {:>10} {:<11} {position:>12} {lag:>8} {:>7}  {leader}\n",
                row.projection, row.generation, row.state, row.parked_streams
            ));
            if !row.is_current {
                text.push_str(
                    "    of another release; dropped when no process of it has been there for 15 minutes\n",
                );
            }
            if let Some(holder) = &row.rebuilt_by {
                text.push_str(&format!("    rebuilt or verified by {holder}\n"));
            }
            if let Some(error) = &row.error {
                text.push_str(&format!("    {error}\n"));
            }
        }
        if !parked.is_empty() {
            text.push_str("`envoi projections parked` shows what is parked and why.\n");
        }
        text
    });
    Ok(())
}
