//! `envoi bench`: measures on this machine; each bench makes what it needs and cleans up.

use std::time::Duration;

use clap::Subcommand;

use super::{CliError, Global};
use crate::bench::{append, growth, rebuild, receipts, resume, send, sockets};
use crate::runtime::scratch::LogChoice;

/// Arguments of `envoi bench`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
    /// Keep the log on this EventStoreDB cluster, esdb://HOST:2113, in streams of its own, which stay there; without it in
    /// the private PostgreSQL.
    #[arg(long, global = true, value_name = "URL")]
    log: Option<String>,
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
    /// Encrypted sends over HTTP by many clients, and the time to another member's live socket.
    Send {
        /// Clients, each with an account and a device of its own.
        #[arg(long, default_value_t = 64)]
        clients: usize,
        /// Conversations that they are spread over.
        #[arg(long, default_value_t = 16)]
        conversations: usize,
        /// Seconds of each part.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
        /// Sends that a client has under way at once.
        #[arg(long, default_value_t = 1)]
        in_flight: usize,
        /// Servers: with more than one the sends are measured again with each conversation's members spread over all.
        #[arg(long, default_value_t = 1)]
        servers: usize,
    },
    /// Building all read models anew.
    Rebuild {
        /// Events in the log.
        #[arg(long, default_value_t = 200_000)]
        events: u64,
    },
    /// Live sockets that are cut at once and resume behind what others did meanwhile.
    Resume {
        /// Sockets, each with an account and a device of its own.
        #[arg(long, default_value_t = 5_000)]
        sockets: usize,
        /// Events of others while they are away.
        #[arg(long, default_value_t = 1_000_000)]
        events: u64,
    },
    /// Memory that idle live sockets take in a server.
    Sockets {
        /// Sockets, two of each account; without a number 20,000, or as many as the limit of open files lets be.
        #[arg(long)]
        sockets: Option<usize>,
    },
    /// What it costs when all members of a large conversation acknowledge everything that one of them sends.
    Receipts {
        /// Members, each with an account, a device and a live socket of its own.
        #[arg(long, default_value_t = 300)]
        members: usize,
        /// Messages a second.
        #[arg(long, default_value_t = 10)]
        rate: u32,
        /// Seconds.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// Cost of a send in a long conversation and behind a long log.
    Growth {
        /// Messages in the long conversation.
        #[arg(long, default_value_t = 50_000)]
        messages: u64,
        /// Events in the long log.
        #[arg(long, default_value_t = 1_000_000)]
        events: u64,
        /// In which order the ids of streams, commands and events in the long log come.
        #[arg(long, value_enum, default_value = "both")]
        ids: growth::IdOrder,
    },
}

/// Runs `envoi bench`.
pub async fn run(global: &Global, args: Args) -> Result<(), CliError> {
    let output = global.output;
    let log = &LogChoice::named(args.log.as_deref());
    match args.verb {
        Verb::Append { callers, rounds, seconds } => {
            let report = append::run(callers, rounds, Duration::from_secs(seconds), log).await?;
            output.result(&report, || {
                let (appends, read) = (report.appends_per_second, report.subscription_events_per_second);
                let text =
                    format!("{}: {appends:.0} appends/s, {read:.0} events/s subscribed", report.engine);
                match (report.limit_events_per_second, report.ratio) {
                    (Some(limit), Some(ratio)) => {
                        format!("{text}; plain SQL reaches {limit:.0} events/s: ratio {ratio:.2}")
                    }
                    _ => text,
                }
            });
        }
        Verb::Send { clients, conversations, seconds, in_flight, servers } => {
            let load = send::Load { clients, conversations, seconds, in_flight, servers };
            let report = send::run(load, log, output).await?;
            output.result(&report, || sends(&report));
        }
        Verb::Rebuild { events } => {
            let report = rebuild::run(events, log, output).await?;
            output.result(&report, || {
                format!(
                    "{:.0} events/s: {} events into {} read models in {:.1} s",
                    report.events_per_second, report.events, report.projections, report.seconds
                )
            });
        }
        Verb::Resume { sockets, events } => {
            let report = resume::run(sockets, events, log, output).await?;
            output.result(&report, || {
                format!(
                    "{} of {} sockets resumed behind {} events in {:.1} s, {} resets",
                    report.resumed, report.sockets, report.events, report.seconds, report.resets
                )
            });
            report.check()?;
        }
        Verb::Sockets { sockets } => {
            let report = sockets::run(sockets, log, output).await?;
            output.result(&report, || {
                format!(
                    "{} idle sockets take {} bytes each (at most {})",
                    report.sockets, report.bytes_per_socket, report.bytes_per_socket_max
                )
            });
            report.check()?;
        }
        Verb::Receipts { members, rate, seconds } => {
            let report = receipts::run(receipts::Load { members, rate, seconds }, log, output).await?;
            output.result(&report, || {
                format!(
                    "{} members acknowledge {} messages: {:.1} events a message (at most {:.0}), {:.2} frames a member and \
                     message (at most {:.0})",
                    report.members,
                    report.messages,
                    report.events_per_message,
                    report.events_per_message_max,
                    report.frames_per_message,
                    report.frames_per_message_max
                )
            });
            report.check()?;
        }
        Verb::Growth { messages, events, ids } => {
            let report = growth::run(messages, events, ids, log, output).await?;
            output.result(&report, || {
                let logs = report.logs.iter().map(|log| {
                    let (events, ids) = (report.log_events, log.ids);
                    let (send, append) = (log.send_ratio, log.append_ratio);
                    format!("; log of {events} events with ids {ids} over an empty one: send {send:.2}, append {append:.2}")
                });
                let (messages, ratio) = (report.conversation_messages, report.conversation_ratio);
                format!("conversation of {messages} messages over one of 10: {ratio:.2}{}", logs.collect::<String>())
            });
            report.check()?;
        }
    }
    Ok(())
}

/// What people read of the sends.
fn sends(report: &send::Report) -> String {
    let (sends, live) = (&report.latency_ms, &report.delivery_ms);
    let several = report.several.as_ref().map_or_else(String::new, |several| {
        format!(
            "; {} servers on the same conversations: {:.0} messages/s in {:.1} ms (p95 {:.1}, p99 {:.1}), \
             ratio {:.2}",
            several.servers,
            several.several_messages_per_second,
            several.several_latency_ms.p50,
            several.several_latency_ms.p95,
            several.several_latency_ms.p99,
            several.ratio
        )
    });
    format!(
        "{:.0} messages/s; answered in {:.1} ms (p95 {:.1}, p99 {:.1}); delivered in {:.1} ms (p95 {:.1}, \
         p99 {:.1}) at half the load; {:.2} CPU s and {:.0} bytes by 1,000 messages{several}",
        report.messages_per_second,
        sends.p50,
        sends.p95,
        sends.p99,
        live.p50,
        live.p95,
        live.p99,
        report.cpu_seconds_per_1000,
        report.bytes_per_1000
    )
}
