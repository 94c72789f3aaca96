//! `envoi bench`: measures on this machine; each bench makes what it needs and cleans up.

use std::time::Duration;

use clap::Subcommand;

use super::{CliError, Global};
use crate::bench::{append, growth, rebuild};

/// Arguments of `envoi bench`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// One-event appends through the log, and the plain-SQL limit in the same run.
    Append {
        /// Callers at once.
        #[arg(long, default_value_t = 256)]
        callers: u64,
        /// Rounds, whose median counts.
        #[arg(long, default_value_t = 3)]
        rounds: u32,
        /// Seconds of each part of a round.
        #[arg(long, default_value_t = 5)]
        seconds: u64,
    },
    /// Building all read models anew.
    Rebuild {
        /// Events in the log.
        #[arg(long, default_value_t = 200_000)]
        events: u64,
    },
    /// Cost of a send in a long conversation and behind a long log.
    Growth {
        /// Messages in the long conversation.
        #[arg(long, default_value_t = 50_000)]
        messages: u64,
        /// Events in the long log.
        #[arg(long, default_value_t = 1_000_000)]
        events: u64,
    },
}

/// Runs `envoi bench`.
pub async fn run(global: &Global, args: Args) -> Result<(), CliError> {
    let output = global.output;
    match args.verb {
        Verb::Append { callers, rounds, seconds } => {
            let report = append::run(callers, rounds, Duration::from_secs(seconds)).await?;
            output.result(&report, || {
                format!(
                    "{:.0} appends/s of {:.0} events/s that plain SQL reaches: ratio {:.2}",
                    report.appends_per_second, report.limit_events_per_second, report.ratio
                )
            });
        }
        Verb::Rebuild { events } => {
            let report = rebuild::run(events, output).await?;
            output.result(&report, || {
                format!(
                    "{:.0} events/s: {} events into {} read models in {:.1} s",
                    report.events_per_second, report.events, report.projections, report.seconds
                )
            });
        }
        Verb::Growth { messages, events } => {
            let report = growth::run(messages, events, output).await?;
            output.result(&report, || {
                format!(
                    "conversation of {} messages over one of 10: {:.2}; log of {} events over an empty one: {:.2}",
                    report.conversation_messages, report.conversation_ratio, report.log_events, report.log_ratio
                )
            });
        }
    }
    Ok(())
}
